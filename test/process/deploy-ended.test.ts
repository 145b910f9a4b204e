import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { afterEach, describe, expect, it } from 'vitest';
import { RunningService } from './deploy-stage.ts';
import { found, freshSecret } from './deployment.ts';

const services: RunningService[] = [];
const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  for (const service of services.splice(0)) service.remove();
});

async function stage(): Promise<RunningService> {
  const service = await RunningService.start();
  services.push(service);
  return service;
}

/** A deploy that waits in the gate for a server that never listens. */
async function inTheGate(service: RunningService, ...args: string[]) {
  const env = { MODE: 'mute', COMFYUI_PASSWORD: freshSecret() };
  const child = service.begin(env, '--variable', 'MODE', '--timeout', '50s', ...args);
  children.push(child);
  let stdout = '';
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
  });
  for await (const line of createInterface({ input: child.stderr })) if (line.includes('down')) break;
  return { child, stdout: () => JSON.parse(stdout), env };
}

const journal = (service: RunningService) => existsSync(service.path('.comfyui-auth/journal.json'));

describe('a deploy that is ended', () => {
  it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    'by %s leaves within 2 s, and the next command puts all back',
    async (signal) => {
      const service = await stage();
      const before = service.files;
      const { child, stdout, env } = await inTheGate(service);
      const start = performance.now();
      child.kill(signal);
      const [code] = await once(child, 'close');
      expect(performance.now() - start).toBeLessThan(2000);
      expect(code).toBe(6);
      expect(stdout().error).toMatchObject({ code: 'interrupted' });
      expect(stdout().error.message).toContain(signal);
      // All new, or all old: here they are the new ones, and the journal knows the old.
      expect(service.files.env).toContain(env.COMFYUI_PASSWORD);
      expect(journal(service)).toBe(true);

      const audited = service.run('audit', {});
      expect(found(audited, 'journal-pending')[0]?.args).toMatchObject({ phase: 'RESTARTED' });
      const next = service.run('sync', {});
      expect([next.code, next.json.status]).toEqual([0, 'unchanged']);
      expect(next.json.recovered).toEqual({ action: 'rolled-back', command: 'deploy' });
      expect(service.files).toEqual(before);
      expect(journal(service)).toBe(false);
      expect(service.run('probe', {}).code).toBe(0);
    },
  );

  it('by SIGKILL is recovered by the next deploy, which then does its own', async () => {
    const service = await stage();
    const { child } = await inTheGate(service);
    child.kill('SIGKILL');
    await once(child, 'close');
    expect(journal(service)).toBe(true);
    const password = freshSecret();
    const next = service.deploy({ COMFYUI_PASSWORD: password });
    expect([next.code, next.json.status]).toEqual([0, 'deployed']);
    expect(next.json.recovered).toEqual({ action: 'rolled-back', command: 'deploy' });
    expect(service.read('.env')).toContain(password);
    expect(service.read('.env')).toContain('MODE=good');
  });

  it('is recovered even where the old set cannot be proven; then the service is left stopped', async () => {
    const service = await stage();
    const before = service.files;
    const { child } = await inTheGate(service);
    child.kill('SIGKILL');
    await once(child, 'close');
    service.write('always', 'open');
    const next = service.run('sync', {});
    expect(next.code).toBe(6);
    expect(found(next, 'left-stopped')).toHaveLength(1);
    expect(service.files).toEqual(before);
    expect(service.pid).toBeUndefined();
    expect(journal(service)).toBe(false);
  });

  it('before anything was written says that nothing was changed', async () => {
    const service = await stage();
    const before = service.files;
    const first = await inTheGate(service);
    const second = service.begin({ COMFYUI_PASSWORD: freshSecret() }, '--timeout', '50s');
    children.push(second);
    for await (const line of createInterface({ input: second.stderr })) if (line.includes('waiting')) break;
    let stdout = '';
    second.stdout.on('data', (chunk) => {
      stdout += chunk;
    });
    second.kill('SIGTERM');
    const [code] = await once(second, 'close');
    expect([code, JSON.parse(stdout).error.code]).toEqual([3, 'interrupted']);
    first.child.kill('SIGTERM');
    await once(first.child, 'close');
    expect(service.run('sync', {}).code).toBe(0);
    expect(service.files).toEqual(before);
  });
});

describe('two deploys at once', () => {
  it('the second waits, and says for whom; its patience has an end', async () => {
    const service = await stage();
    const first = await inTheGate(service);
    const second = service.deploy({ COMFYUI_PASSWORD: freshSecret() }, '--timeout', '1s');
    expect([second.code, second.json.error.code]).toEqual([3, 'locked']);
    expect(second.stderr).toContain(`process ${first.child.pid}, deploy`);
    expect(second.json.error.message).toContain(`process ${first.child.pid}, deploy`);
  });

  it('the second goes on when the first has ended', async () => {
    const service = await stage();
    const first = await inTheGate(service, '--timeout', '3s');
    const password = freshSecret();
    const second = service.deploy({ COMFYUI_PASSWORD: password });
    expect([second.code, second.json.status]).toEqual([0, 'deployed']);
    if (first.child.exitCode === null) await once(first.child, 'close');
    expect(first.stdout().status).toBe('rolled-back');
    expect(service.read('.env')).toContain(password);
  });
});
