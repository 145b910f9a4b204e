import { once } from 'node:events';
import { renameSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { afterEach, describe, expect, it } from 'vitest';
import { type Break, BreakIn } from './breakpoints.ts';
import { RunningService } from './deploy-stage.ts';
import { found, freshSecret } from './deployment.ts';
import { DockerDeployment, SERVICE } from './docker-deployment.ts';
import { backupsIn, tracesIn } from './traces.ts';

const deployments: DockerDeployment[] = [];
const services: RunningService[] = [];
afterEach(async () => {
  for (const one of deployments.splice(0)) await one.remove();
  for (const service of services.splice(0)) service.remove();
});

async function stage(): Promise<DockerDeployment> {
  const one = await DockerDeployment.make();
  deployments.push(one);
  return one;
}

const renewed = () => ({ COMFYUI_PASSWORD: freshSecret() });

/** A deploy whose calls end with an error where `point` says. */
async function broken(one: DockerDeployment, point: Break) {
  const into = new BreakIn(one.root, one.docker.folder);
  return one.deploy({ ...renewed(), ...into.env(point) });
}

describe('a deploy whose disk fails', () => {
  it.each<[string, Break]>([
    ['once, at the end', { match: '^write .* COMMITTED', errno: 'ENOSPC' }],
    ['for good, at the end', { match: '^write .* (COMMITTED|RESTARTED)', errno: 'ENOSPC' }],
    ['where the restart is noted', { match: '^write .* RESTARTED', errno: 'EIO' }],
    ['as the end reaches its place', { match: '^rename .* COMMITTED', errno: 'EIO' }],
  ])('brings the services back onto the old files, too: %s', async (_, point) => {
    const one = await stage();
    const before = one.files;
    const ran = await broken(one, point);
    expect(ran.code).toBe(5);
    expect(one.files).toEqual(before);
    expect(one.events).toEqual(['up', 'up']);
    expect((await one.run('probe', {})).code).toBe(0);
    expect([tracesIn(one.root), backupsIn(one.root)]).toEqual([[], []]);
  });

  it('can be cut off on the way back: the next command goes on with it', async () => {
    const one = await stage();
    const before = one.files;
    const into = new BreakIn(one.root, one.docker.folder);
    const env = { ...renewed(), ...into.env({ match: '^write .* COMMITTED', errno: 'ENOSPC' }) };
    const child = one.begin('deploy', env);
    let stdout = '';
    child.stdout.on('data', (chunk) => {
      stdout += chunk;
    });
    const closed = once(child, 'close');
    for await (const line of createInterface({ input: child.stderr })) {
      if (line.includes('round 1')) one.content = 'mute';
      if (line.includes('back to the old files')) child.kill('SIGTERM');
    }
    await closed;
    expect([child.exitCode, JSON.parse(stdout).error.code]).toEqual([6, 'interrupted']);
    expect(one.files).toEqual(before);
    one.content = undefined;
    const next = await one.run('sync', {});
    expect([next.code, next.json.recovered]).toEqual([0, { action: 'rolled-back', command: 'deploy' }]);
    expect((await one.run('probe', {})).code).toBe(0);
    expect(tracesIn(one.root)).toEqual([]);
  });

  it('leaves nothing running that nobody knows of where files cannot be put back', async () => {
    const one = await stage();
    one.content = 'mute';
    const into = new BreakIn(one.root, one.docker.folder);
    const point = { match: '^rename .*\\.old$', errno: 'EROFS' };
    const ran = await one.deploy({ ...renewed(), ...into.env(point) }, '--timeout', '2s');
    expect([ran.code, ran.json.error.code]).toEqual([6, 'not-restored']);
    expect(ran.json.error.message).toContain('.env: the new content');
    expect(ran.json.error.message).toContain(`${SERVICE} was stopped`);
    expect(one.events).toEqual(['up', 'kill']);
    one.content = undefined;
    const next = await one.run('sync', {});
    expect([next.code, next.json.recovered.action]).toEqual([0, 'rolled-back']);
    expect((await one.run('probe', {})).code).toBe(0);
    expect(tracesIn(one.root)).toEqual([]);
  });
});

describe('a server that is open', () => {
  it('is not kept quiet about where the engine cannot be asked', async () => {
    const one = await stage();
    await one.become('open');
    one.docker.change((state) => {
      state.engine = 'down';
    });
    const ran = await one.deploy({});
    expect([ran.code, ran.json.error.code]).toEqual([4, 'engine-unreachable']);
    expect(ran.json.error.message).toContain(`${SERVICE} was open`);
    expect(ran.json.error.message).toContain('could NOT be stopped');
  });

  it('is uncertain where the engine goes away after its answer', async () => {
    const one = await stage();
    one.docker.change((state) => {
      state.on.kill = { exit: 1 };
      state.on.update = { exit: 1 };
    });
    one.content = 'open';
    const ran = await one.deploy(renewed());
    expect(ran.code).toBe(6);
    expect(found(ran, 'left-stopped')).toMatchObject([{ severity: 'critical', args: { certain: false } }]);
    expect(found(ran, 'open').length).toBeGreaterThan(0);
  });
});

describe('a command that cannot be run', () => {
  it.each(['/nonexistent', '/etc/passwd'])('touches nothing that works: %s', async (program) => {
    const service = await RunningService.start();
    services.push(service);
    const [before, pid] = [service.files, service.pid];
    const layout = service.read('comfyui-auth.yml');
    service.write('comfyui-auth.yml', layout.replace(/command: \[.*?\](?=,)/, `command: ["${program}"]`));
    const ran = service.deploy(renewed());
    expect([ran.code, ran.json.status]).toEqual([5, 'rolled-back']);
    expect(found(ran, 'restart-failed')).toHaveLength(1);
    expect([service.files, service.pid]).toEqual([before, pid]);
    expect(service.run('probe', {}).code).toBe(0);
    expect(tracesIn(service.root)).toEqual([]);
  });
});

describe('somebody who edits a file while the gate asks', () => {
  const MINE = '# by hand\n';

  it('keeps what was written, and hears that it is not what was proven', async () => {
    const one = await stage();
    const child = one.begin('deploy', renewed(), '--timeout', '20s', '--rounds', '8');
    let stdout = '';
    child.stdout.on('data', (chunk) => {
      stdout += chunk;
    });
    const closed = once(child, 'close');
    const edited = () => one.read('.env').replace(/COMFYUI_PASSWORD=.*/, `COMFYUI_PASSWORD=${byHand}`);
    const byHand = freshSecret();
    for await (const line of createInterface({ input: child.stderr })) {
      if (line.includes('round 1 ')) one.write('.env', edited());
    }
    await closed;
    const result = JSON.parse(stdout);
    expect([child.exitCode, result.status]).toEqual([1, 'deployed']);
    expect(result.findings.map((finding: { code: string }) => finding.code)).toContain('password-drift');
    expect(one.read('.env')).toContain(byHand);
    expect(tracesIn(one.root)).toEqual([]);
  });

  it('loses nothing where the deploy goes back; the next command resumes as it is told', async () => {
    const one = await stage();
    const before = one.files;
    one.content = 'mute';
    const child = one.begin('deploy', renewed(), '--timeout', '3s');
    let stdout = '';
    child.stdout.on('data', (chunk) => {
      stdout += chunk;
    });
    const closed = once(child, 'close');
    for await (const line of createInterface({ input: child.stderr })) {
      if (line.includes('down')) one.write('.env', `${one.read('.env')}${MINE}`);
    }
    await closed;
    const { error } = JSON.parse(stdout);
    expect([child.exitCode, error.code]).toEqual([6, 'not-restored']);
    expect(error.message).toContain('.env: changed by somebody else since');
    expect(error.message).toContain('PASSWORD: the new content');
    expect(error.message).toContain(`${SERVICE} was stopped`);
    one.content = undefined;
    for (const command of ['sync', 'deploy']) expect((await one.run(command, {})).code).toBe(6);
    expect(one.read('.env').endsWith(MINE)).toBe(true);
    expect(error.remedy).toContain(`Move ${one.path('.env')} away`);
    renameSync(one.path('.env'), one.path('mine'));
    const next = await one.run('sync', {});
    expect([next.code, one.files]).toEqual([0, before]);
    expect(one.read('mine').endsWith(MINE)).toBe(true);
    expect((await one.run('probe', {})).code).toBe(0);
    expect(tracesIn(one.root)).toEqual([]);
  });
});
