import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, describe, expect, it } from 'vitest';
import { type Break, BreakIn } from './breakpoints.ts';
import { found, freshSecret } from './deployment.ts';
import { GuardedService } from './guarded-service.ts';
import { tracesIn } from './traces.ts';

const stages: GuardedService[] = [];
const folders: string[] = [];
afterEach(async () => {
  for (const one of stages.splice(0)) await one.remove();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

async function stage(options: Parameters<typeof GuardedService.start>[0] = {}): Promise<GuardedService> {
  const one = await GuardedService.start(options);
  stages.push(one);
  return one;
}

const renewed = () => ({ COMFYUI_PASSWORD: freshSecret() });

/** Files and server are as they were, and nothing else is left. */
async function expectBack(one: GuardedService, before: unknown, bearer: string): Promise<void> {
  expect(one.service.files).toEqual(before);
  expect([one.bearer, await one.withBearer(bearer)]).toEqual([bearer, 200]);
  expect(tracesIn(one.service.root)).toEqual([]);
}

describe('a reload that is not good', () => {
  it.each([
    ['refused', 'did not take what PASSWORD holds (password-invalid)'],
    ['unsupported', 'cannot reload'],
    ['cut', 'did not say'],
    ['sick', 'is not proven (refused)'],
    ['old', 'the reloaded server is not proven (unknown)'],
  ] as const)('is followed by a restart: %s', async (fault, words) => {
    const one = await stage();
    await one.spoil(fault);
    const { pid } = one.service;
    const ran = one.service.deploy(renewed());
    const lines = ran.stderr.split('\n').filter((line) => line.includes('; a restart follows'));
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain(words);
    expect(one.service.pid).not.toBe(pid);
    expect(ran.json.services[0].restart.action).toBe('restart');
    expect([ran.code, ran.json.status]).toEqual([0, 'deployed']);
    expect(await one.withBearer(one.bearer)).toBe(200);
    expect(tracesIn(one.service.root)).toEqual([]);
  });

  it.each(['command', 'none'] as const)(
    'by name, or where nothing else is known, goes back with the files; driver %s',
    async (driver) => {
      const one = await stage({ driver });
      await one.spoil('sick');
      const [before, bearer, pid] = [one.service.files, one.bearer, one.service.pid];
      const ran = one.service.deploy(renewed(), '--restart', 'reload');
      expect([ran.code, ran.json.status]).toEqual([5, 'rolled-back']);
      expect(ran.json.services[0]).toMatchObject({ restart: { action: 'reload' }, rolledBack: true });
      expect(found(ran, 'bearer-refused')).toHaveLength(1);
      expect([one.reloads, one.service.pid]).toEqual([2, pid]);
      await expectBack(one, before, bearer);
    },
  );

  it('that did not happen leaves the server as it is', async () => {
    const one = await stage({ driver: 'none' });
    await one.spoil('refused');
    const [before, bearer, pid] = [one.service.files, one.bearer, one.service.pid];
    const ran = one.service.deploy(renewed());
    expect([ran.code, ran.json.status]).toEqual([5, 'rolled-back']);
    expect(found(ran, 'restart-failed')[0]?.message).toContain('password-invalid');
    expect([one.reloads, one.service.pid]).toEqual([1, pid]);
    await expectBack(one, before, bearer);
  });

  it('that opens the server ends it, and goes back', async () => {
    const one = await stage();
    await one.spoil('open');
    const [before, bearer, pid] = [one.service.files, one.bearer, one.service.pid];
    const ran = one.service.deploy(renewed());
    expect([ran.code, ran.json.status]).toEqual([4, 'rolled-back']);
    expect(found(ran, 'open')).toHaveLength(1);
    expect(ran.stderr).not.toContain('a restart follows');
    expect(one.service.pid).not.toBe(pid);
    await expectBack(one, before, bearer);
  });

  it('whose old bearer holds for a while, as the guard says, is good', async () => {
    const one = await stage({ driver: 'none' });
    await one.spoil('grace');
    const ran = one.service.deploy(renewed());
    expect([ran.code, ran.json.status]).toEqual([0, 'deployed']);
    expect(ran.stderr).toContain('the old bearer holds for another 7 s');
  });

  it('that lets the old bearer in is no proof', async () => {
    const one = await stage({ driver: 'none' });
    await one.spoil('old');
    const [before, bearer] = [one.service.files, one.bearer];
    const ran = one.service.deploy(renewed());
    expect([ran.code, ran.json.status]).toEqual([5, 'rolled-back']);
    expect(found(ran, 'restart-failed')[0]?.message).toContain('the old bearer is still accepted');
    await expectBack(one, before, bearer);
  });
});

describe('a deploy that is ended while the guard says nothing', () => {
  it('leaves within 2 s, and the next command puts all back', async () => {
    const one = await stage({ driver: 'none' });
    await one.spoil('mute');
    const { service } = one;
    const [before, bearer] = [service.files, one.bearer];
    const child = service.begin(renewed(), '--timeout', '50s');
    const closed = once(child, 'close');
    child.stdout.resume();
    for await (const line of createInterface({ input: child.stderr })) if (line.includes('reloading')) break;
    const start = performance.now();
    child.kill('SIGTERM');
    const [code] = await closed;
    expect([code, performance.now() - start < 2000]).toEqual([6, true]);
    expect(service.files).not.toEqual(before);
    expect(service.run('sync', {}).json.recovered.action).toBe('rolled-back');
    await expectBack(one, before, bearer);
  });
});

describe.each(['command', 'none'] as const)('a deploy that is killed at its reload, driver %s', (driver) => {
  it.each([
    ['before it asks', { from: 'APPLIED', match: '^request' }, 'old'],
    ['when it was done', { match: '^open .*RESTARTED|^rename .*RESTARTED' }, 'new'],
  ] as [string, Break, string][])('%s is undone by the next command', async (_, point, lives) => {
    const one = await stage({ driver });
    const { service } = one;
    const [before, old] = [service.files, one.bearer];
    const folder = mkdtempSync(join(tmpdir(), 'comfyui-auth-break-'));
    folders.push(folder);
    const broken = new BreakIn(service.root, folder);
    const ran = service.deploy({ ...renewed(), ...broken.env(point) });
    expect(ran.code).toBeNull();
    expect(service.files).not.toEqual(before);
    expect([await one.withBearer(old), await one.withBearer(one.bearer)]).toEqual(
      lives === 'old' ? [200, 401] : [401, 200],
    );

    const next = service.run('sync', {});
    expect([next.code, next.json.recovered]).toEqual([0, { action: 'rolled-back', command: 'deploy' }]);
    await expectBack(one, before, old);
  });
});
