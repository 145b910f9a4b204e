import { readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { GUARD_NODE } from '../../src/stand-in/tree.ts';
import { bearers, passwords, rotationStage } from './entrypoint-rotation-stage.ts';

const stage = rotationStage();

describe('PASSWORD beside the guard', () => {
  test.each<[string, () => void]>([
    ['removed', () => rmSync(stage().deployment.password)],
    ['emptied', () => writeFileSync(stage().deployment.password, '')],
    ['removed with its folder', () => rmSync(stage().deployment.login, { recursive: true })],
  ])('is put back at once where it is %s', async (_, lose) => {
    const running = await stage().ready();
    for (const times of [1, 2]) {
      lose();
      await running.saidTimes('password-restored', times);
      expect(stage().deployment.bearer).toBe(bearers[0]);
      await expect.poll(() => stage().statusAs(bearers[0])).toBe(200);
    }
    await stage().endUnbroken(running);
  });

  test('is put back at the next proof where no notice came', async () => {
    const running = await stage().ready({ ...stage().pair(), VERIFY_INTERVAL: '1s' });
    // The notices are of the folder that was there at the start; what is in its place now is another one.
    const aside = `${stage().deployment.login}.aside`;
    renameSync(stage().deployment.login, aside);
    symlinkSync(join(stage().deployment.folder, 'nowhere'), stage().deployment.login);
    await running.said(/^degraded/m);
    await running.said(/^password-lost: .*Remedy: /m);
    const before = readFileSync(join(stage().deployment.run, 'health.json'), 'utf8');
    await expect
      .poll(() => readFileSync(join(stage().deployment.run, 'health.json'), 'utf8') !== before, {
        timeout: 10_000,
      })
      .toBe(true);
    expect(running.count('password-lost')).toBe(1);
    expect(await stage().statusAs(bearers[0])).toBe(503);
    rmSync(stage().deployment.login);
    renameSync(aside, stage().deployment.login);
    rmSync(stage().deployment.password, { force: true });
    await running.said(/^password-restored/m);
    await running.said(/^recovered/m);
    expect(await stage().statusAs(bearers[0])).toBe(200);
    await stage().endUnbroken(running);
  });

  test('that somebody else wrote, and let the guard read, is taken over where nothing was handed in', async () => {
    writeFileSync(stage().deployment.password, `${bearers[0]}\nada`);
    const running = await stage().ready({ VERIFY_INTERVAL: '1s' });
    const asOld = { headers: { authorization: `Bearer ${bearers[0]}` }, method: 'POST' };
    writeFileSync(stage().deployment.password, `${bearers[1]}\nada`);
    await stage().deployment.ask('/reload_token', asOld);
    await running.said(/^degraded/m);
    await running.said(/^rotated/m);
    await running.said(/^recovered/m);
    expect(await stage().taken()).toEqual([401, 200, 401]);
    await stage().endUnbroken(running);
  });
});

test.each<[string, Record<string, string>, () => void, RegExp]>([
  ['a new credential', { KEEP_SESSIONS: 'true' }, () => stage().hand(1), /^rotated: .*sessions: kept$/m],
  ['a PASSWORD that was put back', {}, () => rmSync(stage().deployment.password), /^password-restored/m],
])('sessions that outlive %s outlive a restart of ComfyUI after it, too', async (_, env, change, said) => {
  const running = await stage().ready({ ...stage().pair(), RESTART_BACKOFF: '10ms', ...env });
  const cookie = await stage().session(passwords[0]);
  change();
  await running.said(said);
  process.kill(stage().deployment.childPid, 'SIGKILL');
  await running.saidTimes('ready', 2);
  expect((await stage().deployment.ask('/system_stats', cookie)).status).toBe(200);
  expect(await running.stop()).toBe(0);
});

test('a stop that finds PASSWORD gone puts it back first: else nobody says what is left in the queue', async () => {
  const running = await stage().ready({ ...stage().pair(), STOP_GRACE: '30s' });
  rmSync(stage().deployment.password);
  expect(await running.stop()).toBe(0);
  expect([running.count('draining'), running.count('password-restored')]).toEqual([0, 1]);
});

test('what watched one life of ComfyUI writes nothing in the next', async () => {
  const running = await stage().ready({ ...stage().pair(), RESTART_BACKOFF: '10ms' });
  // The next life has no guard, and so nobody of its own who puts PASSWORD back.
  rmSync(join(stage().deployment.comfyui, GUARD_NODE), { recursive: true });
  process.kill(stage().deployment.childPid, 'SIGKILL');
  await running.saidTimes('ready', 2);
  rmSync(stage().deployment.password);
  // What puts it back does so sooner than this is taken up.
  stage().hand(1);
  await running.saidTimes('ready', 3);
  expect(running.count('password-restored')).toBe(0);
  expect(await running.stop()).toBe(0);
});
