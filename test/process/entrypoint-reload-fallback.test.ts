import { type FSWatcher, readFileSync, watch, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { cheapHash, Deployment, freshPassword, type Running } from './entrypoint-harness.ts';
import { type GuardMood, MoodyGuard } from './entrypoint-moody-guard.ts';

const bearers = [cheapHash(freshPassword()), cheapHash(freshPassword())] as const;

let deployment: Deployment;
let file: string;
beforeEach(async () => {
  deployment = await Deployment.make();
  file = join(deployment.folder, 'bearer');
  writeFileSync(file, bearers[0]);
});
afterEach(() => {
  for (const hidden of bearers) expect(deployment.everythingSaid).not.toContain(hidden.slice(7));
  deployment.remove();
});

function start(guard: MoodyGuard, more: Record<string, string> = {}): Running {
  const env = {
    GUARD_COPY: 'off',
    COMFYUI_BEARER_TOKEN_FILE: file,
    API_TIMEOUT: '1s',
    STOP_GRACE: '4s',
    ...more,
  };
  return deployment.start(['run', '--', process.execPath, guard.program], env);
}

const statusAs = async (bearer: string) =>
  (await deployment.ask('/system_stats', { headers: { authorization: `Bearer ${bearer}` } })).status;

/** Resolves once the guard was asked to read PASSWORD again. */
function asked(guard: MoodyGuard): Promise<void> {
  let watcher: FSWatcher | undefined;
  return new Promise<void>((resolve) => {
    watcher = watch(guard.log, () => resolve());
  }).finally(() => watcher?.close());
}

test.each<[GuardMood, string]>([
  ['fixed', 'cannot exchange'],
  ['unsupported', 'cannot exchange'],
  ['refuses', 'refused it'],
  ['mute', 'did not answer'],
  ['absent', 'without the guard'],
  ['forgetful', 'proof with it did not hold'],
  ['other', 'took another one'],
  ['lenient', 'old bearer was still accepted'],
])('a guard that is %s makes a reload a restart, and why is said', async (mood, why) => {
  const guard = new MoodyGuard(deployment, mood);
  const running = start(guard, { RESTART_BUDGET: '0' });
  await running.said(/^ready/m);
  const child = deployment.childPid;
  writeFileSync(file, bearers[1]);
  await running.saidTimes('ready', 2);
  expect(running.output).toMatch(new RegExp(`^reload-by-restart: warning: .*${why}`, 'm'));
  expect(running.count('reload-by-restart')).toBe(1);
  expect(deployment.childPid).not.toBe(child);
  expect([await statusAs(bearers[0]), await statusAs(bearers[1])]).toEqual([401, 200]);
  expect(running.count('rotated')).toBe(0);
  expect(running.count('guard-without-reload')).toBe(mood === 'fixed' ? 2 : 0);
  await running.stop();
});

test('an old bearer that holds by the guard’s own grace is no fault', async () => {
  const running = start(new MoodyGuard(deployment, 'grace'));
  await running.said(/^ready/m);
  const child = deployment.childPid;
  writeFileSync(file, bearers[1]);
  await running.said(/^rotated: .*sessions: kept$/m);
  expect([await statusAs(bearers[0]), await statusAs(bearers[1])]).toEqual([200, 200]);
  await expect.poll(() => deployment.health()).toMatchObject({ state: 'READY', childPid: child });
  await running.stop();
});

test('a server that is open after the reload is killed', async () => {
  const running = start(new MoodyGuard(deployment, 'opens'));
  await running.said(/^ready/m);
  writeFileSync(file, bearers[1]);
  expect(await running.ended).toBe(76);
  expect(running.output).toMatch(/^open: /m);
});

test('a stop during a reload goes first, and waits for the queue with whichever bearer is taken by then', async () => {
  const guard = new MoodyGuard(deployment, 'mute');
  const running = start(guard, { API_TIMEOUT: '120s', STOP_GRACE: '5s' });
  await running.said(/^ready/m);
  const wasAsked = asked(guard);
  writeFileSync(file, bearers[1]);
  await wasAsked;
  expect(await running.stop()).toBe(0);
  expect(running.output).toMatch(/^draining: 1 in the queue/m);
  expect(running.count('reload-by-restart')).toBe(0);
  expect(deployment.health()).toMatchObject({ state: 'EXIT', restarts: 0 });
  // The next start takes what stands in PASSWORD by then.
  expect(deployment.bearer).toBe(bearers[1]);
});

test('what comes while a reload is under way is one more round', async () => {
  const guard = new MoodyGuard(deployment, 'good');
  const running = start(guard);
  await running.said(/^ready/m);
  writeFileSync(file, bearers[1]);
  for (let times = 0; times < 20; times++) running.process.kill('SIGHUP');
  await running.said(/^rotated/m);
  writeFileSync(file, bearers[0]);
  await running.saidTimes('rotated', 2);
  expect([await statusAs(bearers[0]), await statusAs(bearers[1])]).toEqual([200, 401]);
  expect(readFileSync(guard.log, 'utf8').split('\n').length).toBeLessThan(20);
  await running.stop();
});

test.each<[GuardMood]>([['busy'], ['busy-for-old']])(
  'a server that is %s after the reload is not restarted: it is proven once it answers',
  async (mood) => {
    const guard = new MoodyGuard(deployment, mood);
    const running = start(guard, { VERIFY_INTERVAL: '1s' });
    await running.said(/^ready/m);
    const child = deployment.childPid;
    writeFileSync(file, bearers[1]);
    await running.said(/^degraded/m);
    expect(running.count('rotated')).toBe(0);
    guard.turn('good');
    await running.said(/^recovered/m);
    expect([running.count('rotated'), running.count('reload-by-restart')]).toEqual([1, 0]);
    expect(deployment.health()).toMatchObject({ state: 'READY', childPid: child });
    await running.stop();
  },
);
