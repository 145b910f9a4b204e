import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { afterEach, describe, expect, it } from 'vitest';
import { RunningService } from './deploy-stage.ts';
import { found, freshSecret } from './deployment.ts';
import { DockerDeployment, SERVICE } from './docker-deployment.ts';

const services: RunningService[] = [];
const deployments: DockerDeployment[] = [];
afterEach(async () => {
  for (const service of services.splice(0)) service.remove();
  for (const one of deployments.splice(0)) await one.remove();
});

async function stage(more: Parameters<typeof RunningService.start>[0] = {}): Promise<RunningService> {
  const service = await RunningService.start(more);
  services.push(service);
  return service;
}

const journal = (service: RunningService) => existsSync(service.path('.comfyui-auth/journal.json'));

/** A deploy in its gate, with a server that does not listen. */
async function begin(service: RunningService, env: Record<string, string>, ...args: string[]) {
  const child = service.begin(env, '--timeout', '50s', ...args);
  for await (const line of createInterface({ input: child.stderr })) if (line.includes('down')) break;
  return child;
}

describe('a good server is not ended', () => {
  it('by a restart command that cannot restart it', async () => {
    const service = await stage();
    const [files, pid] = [service.files, service.pid];
    const layout = service.read('comfyui-auth.yml');
    service.write('comfyui-auth.yml', layout.replace(/command: \[.*?\]/, 'command: ["false"]'));
    const ran = service.deploy({ COMFYUI_PASSWORD: freshSecret() });
    expect([ran.code, ran.json.status]).toEqual([5, 'rolled-back']);
    expect([service.files, service.pid]).toEqual([files, pid]);
    expect(service.run('probe', {}).code).toBe(0);
  });

  it('by a time that is too short for any proof', async () => {
    const service = await stage();
    const files = service.files;
    const ran = service.deploy({ COMFYUI_PASSWORD: freshSecret() }, '--timeout', '1ms');
    expect([ran.code, ran.json.status]).toEqual([5, 'rolled-back']);
    expect(service.files).toEqual(files);
    expect(service.run('probe', {}).code).toBe(0);
  });

  it('by a rollback to files that hold no bearer by which it could be proven', async () => {
    const service = await stage({ passwordElsewhere: true });
    service.write('.env', service.read('.env').replace(/'\$2b\$04\$.*'/, `'$2b$04$cut'`));
    const files = service.files;
    const ran = service.deploy({ COMFYUI_PASSWORD: freshSecret() });
    expect([ran.code, ran.json.status]).toEqual([5, 'rolled-back']);
    expect(found(ran, 'credential-unknown').length).toBeGreaterThan(0);
    expect(service.files).toEqual(files);
    expect(service.pid).toBeDefined();
  });

  it('by a Compose that knows of no container', async () => {
    const one = await DockerDeployment.make();
    deployments.push(one);
    one.docker.change((state) => {
      state.containers = state.containers.filter(({ service }) => service !== SERVICE);
    });
    const ran = await one.deploy({});
    expect([ran.code, ran.json.status]).toEqual([0, 'unchanged']);
    expect(one.events).toEqual([]);
  });

  it('by a recovery of a deploy that was to restart nothing', async () => {
    const service = await stage();
    const before = service.files;
    service.write('always', 'mute');
    service.command('start');
    const pid = service.pid;
    const child = await begin(service, { NOTE: 'new' }, '--variable', 'NOTE', '--restart', 'none');
    child.kill('SIGKILL');
    await once(child, 'close');
    expect(journal(service)).toBe(true);
    const next = service.run('sync', {});
    expect([next.code, next.json.recovered]).toEqual([0, { action: 'rolled-back', command: 'deploy' }]);
    expect([service.files, service.pid]).toEqual([before, pid]);
  });
});

describe('a renewal with nothing to write', () => {
  it('that is ended says so, and is recovered: the service has to give its proof', async () => {
    const service = await stage();
    const env = { COMFYUI_PASSWORD: freshSecret() };
    expect(service.run('sync', env).json.status).toBe('changed');
    service.write('always', 'mute');
    const child = await begin(service, env);
    let stdout = '';
    child.stdout.on('data', (chunk) => {
      stdout += chunk;
    });
    child.kill('SIGTERM');
    const [code] = await once(child, 'close');
    expect([code, JSON.parse(stdout).error.code]).toEqual([6, 'interrupted']);
    expect(JSON.parse(stdout).error.message).toContain('not proven');
    expect(journal(service)).toBe(true);
    service.write('always', 'good');
    const next = service.run('sync', env);
    expect([next.code, next.json.status]).toEqual([0, 'unchanged']);
    expect(journal(service)).toBe(false);
    expect(service.run('probe', env).code).toBe(0);
  });
});
