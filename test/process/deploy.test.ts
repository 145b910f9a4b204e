import { existsSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { listening, RunningService } from './deploy-stage.ts';
import { found, freshSecret } from './deployment.ts';

const services: RunningService[] = [];
afterEach(() => {
  for (const service of services.splice(0)) service.remove();
});

async function stage(more: Parameters<typeof RunningService.start>[0] = {}): Promise<RunningService> {
  const service = await RunningService.start(more);
  services.push(service);
  return service;
}

/** The handed-in credential of most tests: another password than the deployed one. */
const renewed = () => ({ COMFYUI_PASSWORD: freshSecret() });

const verdicts = (checks: { id: string; verdict: string }[]) =>
  Object.fromEntries(checks.map(({ id, verdict }) => [id, verdict]));

describe('deploy', () => {
  it('writes, restarts, proves and commits; a second run touches nothing', async () => {
    const service = await stage();
    const env = renewed();
    const before = service.pid;
    const ran = service.deploy(env);
    expect([ran.code, ran.json.status]).toEqual([0, 'deployed']);
    expect(ran.json.services[0]).toMatchObject({
      name: 'comfyui',
      restart: { driver: 'command', action: 'restart' },
      rolledBack: false,
    });
    expect(verdicts(ran.json.services[0].checks)).toMatchObject({
      anonymous: 'pass',
      bearer: 'pass',
      password: 'pass',
    });
    expect(ran.json.backup).toMatch(/^\d{8}/);
    expect(service.read('.env')).toContain(env.COMFYUI_PASSWORD);
    expect(service.pid).not.toBe(before);
    expect(existsSync(service.path('.comfyui-auth/journal.json'))).toBe(false);

    const [files, pid] = [service.files, service.pid];
    const again = service.deploy(env);
    expect([again.code, again.json.status, again.json.backup]).toEqual([0, 'unchanged', null]);
    expect([service.files, service.pid]).toEqual([files, pid]);
    expect(again.json.services[0].restart.action).toBe('none');
  });

  it('puts everything back where the server refuses the new credential', async () => {
    // The layout knows nothing of the PASSWORD that this server reads.
    const service = await stage({ passwordElsewhere: true });
    const before = service.files;
    const ran = service.deploy(renewed());
    expect([ran.code, ran.json.status]).toEqual([5, 'rolled-back']);
    expect(service.files).toEqual(before);
    expect(found(ran, 'bearer-refused')).toHaveLength(1);
    expect(ran.json.services[0]).toMatchObject({ rolledBack: true });
    expect(verdicts(ran.json.services[0].checks)).toMatchObject({ bearer: 'pass' });
    expect(service.run('probe', {}).code).toBe(0);
    expect(existsSync(service.path('.comfyui-auth/journal.json'))).toBe(false);
  });

  it('ends an open server at once, and goes back; the exit code says that it was open', async () => {
    const service = await stage();
    const before = service.files;
    const ran = service.deploy({ MODE: 'open' }, '--variable', 'MODE');
    expect([ran.code, ran.json.status]).toEqual([4, 'rolled-back']);
    expect(found(ran, 'open')).toHaveLength(1);
    expect(service.files).toEqual(before);
    expect(service.run('probe', {}).code).toBe(0);
  });

  it('goes back where the server is not ready in time', async () => {
    const service = await stage();
    const before = service.files;
    const ran = service.deploy({ MODE: 'mute' }, '--variable', 'MODE', '--timeout', '2s');
    expect([ran.code, ran.json.status]).toEqual([5, 'rolled-back']);
    expect(service.files).toEqual(before);
    expect(service.run('probe', {}).code).toBe(0);
  });

  it('goes back where the restart fails, and says why', async () => {
    const service = await stage();
    const before = service.files;
    const ran = service.deploy({ MODE: 'fail' }, '--variable', 'MODE');
    expect([ran.code, ran.json.status]).toEqual([5, 'rolled-back']);
    expect(found(ran, 'restart-failed')[0]?.message).toContain('9');
    expect(service.files).toEqual(before);
    expect(service.run('probe', {}).code).toBe(0);
  });

  it('leaves a server stopped that is open with the old files too', async () => {
    const service = await stage();
    const before = service.files;
    service.write('always', 'open');
    const ran = service.deploy(renewed());
    expect([ran.code, ran.json.status]).toEqual([6, 'stopped']);
    expect(service.files).toEqual(before);
    expect(service.pid).toBeUndefined();
    expect(found(ran, 'open')).toHaveLength(1);
    expect(found(ran, 'left-stopped')[0]).toMatchObject({ severity: 'error', args: { certain: true } });
    expect(found(ran, 'left-stopped')[0]?.remedy).toContain('comfyui-auth deploy');
  });

  it('says loudly where an open server cannot be stopped', async () => {
    const service = await stage({ withoutStop: true });
    service.write('always', 'open');
    const ran = service.deploy(renewed());
    expect([ran.code, ran.json.status]).toEqual([6, 'failed']);
    expect(found(ran, 'left-stopped')[0]).toMatchObject({ severity: 'critical', args: { certain: false } });
  });

  it('renews a process that is older than the files, where there is nothing to write', async () => {
    const service = await stage();
    const env = renewed();
    expect(service.run('sync', env).json.status).toBe('changed');
    const before = service.pid;
    const ran = service.deploy(env);
    expect([ran.code, ran.json.status, ran.json.backup]).toEqual([0, 'deployed', null]);
    expect(service.pid).not.toBe(before);
  });

  it('ends and renews a server that was open before, and says so', async () => {
    const service = await stage();
    service.write('always', 'open');
    service.command('start');
    service.write('always', 'good');
    // It must listen before it can be found open.
    await listening(service.port);
    const ran = service.deploy({});
    expect([ran.code, ran.json.status]).toEqual([4, 'deployed']);
    expect(found(ran, 'open')).toHaveLength(1);
    expect(service.run('probe', {}).code).toBe(0);
  });

  it('plans without touching anything', async () => {
    const service = await stage();
    const [files, pid] = [service.files, service.pid];
    const ran = service.deploy(renewed(), '--dry-run');
    expect([ran.code, ran.json.status]).toEqual([0, 'planned']);
    expect(ran.json.services[0].restart).toEqual({ driver: 'command', action: 'restart' });
    expect([service.files, service.pid]).toEqual([files, pid]);
    expect(existsSync(service.path('.comfyui-auth'))).toBe(false);
  });

  it('refuses before anything is written', async () => {
    const service = await stage();
    const before = service.files;
    const bearer = service.bearer;
    const ran = service.deploy({ COMFYUI_PASSWORD: freshSecret(), COMFYUI_BEARER_TOKEN: bearer });
    expect([ran.code, ran.json.status, ran.json.error.code]).toEqual([2, 'error', 'pair-mismatch']);
    expect(service.files).toEqual(before);
  });
});
