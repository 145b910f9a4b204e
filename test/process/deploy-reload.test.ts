import { afterEach, describe, expect, it } from 'vitest';
import { Secret } from '../../src/model/secret.ts';
import { derivedForms } from '../../src/platform/redact.ts';
import { CLI, freshSecret, type Ran, runBundle } from './deployment.ts';
import { GuardedService } from './guarded-service.ts';
import { tracesIn } from './traces.ts';

const stages: GuardedService[] = [];
afterEach(async () => {
  for (const one of stages.splice(0)) await one.remove();
});

async function stage(options: Parameters<typeof GuardedService.start>[0] = {}): Promise<GuardedService> {
  const one = await GuardedService.start(options);
  stages.push(one);
  return one;
}

const renewed = () => ({ COMFYUI_PASSWORD: freshSecret() });

function expectNoSecret(ran: Ran, secrets: readonly string[]): void {
  for (const secret of secrets) {
    for (const form of derivedForms(new Secret(secret))) expect(ran.stdout + ran.stderr).not.toContain(form);
  }
}

describe.each(['command', 'none'] as const)('a deploy to a server with the guard, driver %s', (driver) => {
  it('reloads it: the process stays, the old credential ends, with its sessions', async () => {
    const one = await stage({ driver });
    const { service } = one;
    const [old, pid, cookie, env] = [one.bearer, service.pid, await one.login(), renewed()];
    expect([await one.withBearer(old), await one.withCookie(cookie)]).toEqual([200, 200]);

    const ran = service.deploy(env);
    expect([ran.code, ran.json.status]).toEqual([0, 'deployed']);
    expect(ran.json.services[0]).toMatchObject({ restart: { driver, action: 'reload' }, rolledBack: false });
    expect(service.pid).toBe(pid);
    expect(one.bearer).not.toBe(old);
    expect([await one.withBearer(one.bearer), await one.withBearer(old)]).toEqual([200, 401]);
    expect(await one.withCookie(cookie)).toBe(401);
    expect(ran.stderr).toContain('sessions ended');
    expectNoSecret(ran, [old, one.bearer, service.password, env.COMFYUI_PASSWORD, cookie]);
    expect(tracesIn(service.root)).toEqual([]);

    const again = service.deploy(env);
    expect([again.code, again.json.status, again.json.services[0].restart.action]).toEqual([
      0,
      'unchanged',
      'none',
    ]);
  });

  it('plans a reload', async () => {
    const one = await stage({ driver });
    const before = one.service.files;
    const ran = one.service.deploy(renewed(), '--dry-run');
    expect([ran.code, ran.json.status]).toEqual([0, 'planned']);
    expect(ran.json.services[0].restart).toEqual({ driver, action: 'reload' });
    expect([one.service.files, await one.withBearer(one.bearer)]).toEqual([before, 200]);
  });
});

describe('auto chooses a reload only where it does all that a new process would', () => {
  it('not where the .env goes into a container when that is made', async () => {
    const one = await stage({ readers: 'compose, dotenv' });
    const pid = one.service.pid;
    const ran = one.service.deploy(renewed());
    expect([ran.code, ran.json.services[0].restart.action]).toEqual([0, 'restart']);
    expect(one.service.pid).not.toBe(pid);
  });

  it('not where the .env changes in what is no part of the credential', async () => {
    const one = await stage();
    const pid = one.service.pid;
    const ran = one.service.deploy({ ...renewed(), NOTE: 'new' }, '--variable', 'NOTE');
    expect([ran.code, ran.json.services[0].restart.action]).toEqual([0, 'restart']);
    expect(one.service.pid).not.toBe(pid);
  });

  it('not where the server has no guard', async () => {
    const one = await stage({ guard: false });
    const pid = one.service.pid;
    const ran = one.service.deploy(renewed());
    expect([ran.code, ran.json.services[0].restart.action]).toEqual([0, 'restart']);
    expect(ran.stderr).not.toContain('reload');
    expect(one.service.pid).not.toBe(pid);
  });

  it('not where the server has no guard and nobody restarts it: all goes back', async () => {
    const one = await stage({ guard: false, driver: 'none' });
    const [before, pid] = [one.service.files, one.service.pid];
    const ran = one.service.deploy(renewed());
    expect([ran.code, ran.json.status]).toEqual([5, 'rolled-back']);
    expect([one.service.files, one.service.pid]).toEqual([before, pid]);
    expect(await one.withBearer(one.bearer)).toBe(200);
  });
});

describe('a process that is older than its files', () => {
  it('is reloaded where nobody restarts it', async () => {
    const one = await stage({ driver: 'none' });
    const { service } = one;
    const [env, old, pid] = [renewed(), one.bearer, service.pid];
    expect(service.run('sync', env).json.status).toBe('changed');
    expect([await one.withBearer(old), await one.withBearer(one.bearer)]).toEqual([200, 401]);
    const ran = service.deploy(env);
    expect([ran.code, ran.json.status, ran.json.backup]).toEqual([0, 'deployed', null]);
    expect(ran.json.services[0].restart.action).toBe('reload');
    expect([service.pid, await one.withBearer(old), await one.withBearer(one.bearer)]).toEqual([
      pid,
      401,
      200,
    ]);
    expect(tracesIn(service.root)).toEqual([]);
  });
});

describe('deploy --restart reload', () => {
  const byName = (one: GuardedService, ...args: string[]) =>
    one.service.deploy(renewed(), '--restart', 'reload', ...args);

  it('reloads, whatever else changes', async () => {
    const one = await stage({ readers: 'compose, dotenv' });
    const pid = one.service.pid;
    const ran = byName(one);
    expect([ran.code, ran.json.services[0].restart.action, one.service.pid]).toEqual([0, 'reload', pid]);
  });

  it('is refused before anything is written where the server has no guard', async () => {
    const one = await stage({ guard: false });
    const [before, pid] = [one.service.files, one.service.pid];
    const ran = byName(one);
    expect([ran.code, ran.json.error.code]).toEqual([2, 'reload-impossible']);
    expect(ran.json.error.message).toContain('no comfyui-auth guard');
    expect([one.service.files, one.service.pid]).toEqual([before, pid]);
  });

  it('is refused where nobody answers: that is not known', async () => {
    const one = await stage();
    const before = one.service.files;
    one.service.command('stop');
    const ran = byName(one);
    expect([ran.code, ran.json.error.code]).toEqual([3, 'reload-impossible']);
    expect(one.service.files).toEqual(before);
  });

  it('is said in words', async () => {
    const one = await stage();
    const { COMFYUI_PASSWORD } = renewed();
    const args = ['deploy', '--root', one.service.root, '--restart', 'reload'];
    const ran = runBundle(CLI, args, { env: { COMFYUI_PASSWORD } });
    expect(ran.code).toBe(0);
    expect(ran.stdout).toContain('reloaded live, without a restart, proven after');
  });
});
