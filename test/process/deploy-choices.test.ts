import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { RunningService } from './deploy-stage.ts';
import { CLI, found, freshSecret, runBundle } from './deployment.ts';

const services: RunningService[] = [];
afterEach(() => {
  for (const service of services.splice(0)) service.remove();
});

async function stage(more: Parameters<typeof RunningService.start>[0] = {}): Promise<RunningService> {
  const service = await RunningService.start(more);
  services.push(service);
  return service;
}

describe('deploy --restart', () => {
  it('none: the process goes on, and what it refuses does not stand', async () => {
    const service = await stage();
    const [files, pid] = [service.files, service.pid];
    const ran = service.deploy({ COMFYUI_PASSWORD: freshSecret() }, '--restart', 'none');
    expect([ran.code, ran.json.status]).toEqual([5, 'rolled-back']);
    expect(ran.json.services[0].restart.action).toBe('none');
    expect([service.files, service.pid]).toEqual([files, pid]);
    expect(service.run('probe', {}).code).toBe(0);
  });

  it('none: a change that the process does not read stands when the process is proven', async () => {
    const service = await stage();
    const pid = service.pid;
    const ran = service.deploy({ NOTE: 'a new line' }, '--variable', 'NOTE', '--restart', 'none');
    expect([ran.code, ran.json.status]).toEqual([0, 'deployed']);
    expect(service.read('.env')).toContain('NOTE=');
    expect(service.pid).toBe(pid);
  });

  it('by name where the layout names no way is refused', async () => {
    const service = await stage();
    const layout = service.read('comfyui-auth.yml');
    service.write('comfyui-auth.yml', layout.replace(/restart: .*/, 'restart: { driver: none }'));
    const ran = service.deploy({ COMFYUI_PASSWORD: freshSecret() }, '--restart', 'recreate');
    expect([ran.code, ran.json.error.code]).toEqual([2, 'restart-unknown']);
    const rest = service.deploy({ COMFYUI_PASSWORD: freshSecret() });
    expect([rest.code, rest.json.status]).toEqual([5, 'rolled-back']);
    expect(found(rest, 'bearer-refused')[0]?.remedy).toContain('start ComfyUI anew');
  });

  it('takes one of five words, and an address that can be used', async () => {
    const service = await stage();
    const before = service.files;
    expect(service.deploy({}, '--restart', 'perhaps').code).toBe(2);
    const env = { COMFYUI_PASSWORD: freshSecret() };
    expect(service.deploy(env, '--url', 'http://a:b@127.0.0.1').code).toBe(2);
    expect(service.files).toEqual(before);
  });
});

describe('deploy by a command that leaves its service with its own output', () => {
  it('waits for the command, not for the service, and ends while that runs', async () => {
    const service = await stage();
    service.write('holds', '');
    const ran = service.deploy({ COMFYUI_PASSWORD: freshSecret() });
    expect([ran.code, ran.json.status]).toEqual([0, 'deployed']);
    expect(() => process.kill(service.pid ?? 0, 0)).not.toThrow();
  });
});

describe('deploy of several services', () => {
  /** Two services in one layout, each in a folder of its own below the root. */
  async function pair() {
    const [one, two] = [await stage(), await stage()];
    const below = (service: RunningService, name: string) =>
      service
        .read('comfyui-auth.yml')
        .split('\n')
        .slice(3)
        .join('\n')
        .replaceAll(
          /(file|path): (\S+?)([,\s])/g,
          (_, key, path, end) => `${key}: ${service.path(path)}${end}`,
        )
        .replaceAll(/\.env,/g, '.env, outside: true,')
        .replaceAll('kind: password-file', 'outside: true, kind: password-file')
        .replace(/^/, `  ${name}:\n`);
    one.write('both/comfyui-auth.yml', `version: 1\nservices:\n${below(one, 'one')}${below(two, 'two')}`);
    const root = one.path('both');
    const run = (env: Record<string, string>, ...args: string[]) =>
      runBundle(CLI, ['deploy', '--root', root, '--json', '--timeout', '20s', ...args], { env });
    return { one, two, run };
  }

  it('touches only what was named, and proves it', async () => {
    const { one, two, run } = await pair();
    const [files, pid] = [two.files, two.pid];
    const ran = run({ COMFYUI_PASSWORD: freshSecret() }, '--service', 'one');
    expect([ran.code, ran.json.status]).toEqual([0, 'deployed']);
    expect(ran.json.services.map((service: { name: string }) => service.name)).toEqual(['one']);
    expect([two.files, two.pid]).toEqual([files, pid]);
    expect(one.run('probe', {}).code).toBe(0);
  });

  it('puts both back where one fails', async () => {
    const { one, two, run } = await pair();
    const before = [one.files, two.files];
    // The second one's process will be another that refuses everything new: it never listens.
    two.write('always', 'mute');
    const env = { COMFYUI_PASSWORD: freshSecret() };
    const ran = run(env, '--service', 'one', '--service', 'two', '--timeout', '3s');
    expect([one.files, two.files]).toEqual(before);
    // The second is mute with its old files too: it is left stopped, and the first is proven again.
    expect([ran.code, ran.json.status]).toEqual([6, 'stopped']);
    expect(found(ran, 'left-stopped')).toHaveLength(1);
    expect(two.pid).toBeUndefined();
    expect(one.run('probe', {}).code).toBe(0);
    expect(readFileSync(one.path('.env'), 'utf8')).not.toContain(env.COMFYUI_PASSWORD);
  });

  it('asks both where there is nothing to do', async () => {
    const { one, two, run } = await pair();
    const pids = [one.pid, two.pid];
    const ran = run({});
    expect([ran.code, ran.json.status, ran.json.services.length]).toEqual([0, 'unchanged', 2]);
    expect([one.pid, two.pid]).toEqual(pids);
  });
});
