import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { AnonymousProber, cheapHash, Deployment, freshPassword, StateWatch } from './entrypoint-harness.ts';

const password = freshPassword();
const hash = cheapHash(password);

let deployment: Deployment;
beforeEach(async () => {
  deployment = await Deployment.make();
  writeFileSync(deployment.password, `${hash}\nada`);
});
afterEach(() => {
  for (const secret of [password, hash.slice(7)]) expect(deployment.everythingSaid).not.toContain(secret);
  deployment.remove();
});

const shell = (script: string) => ['run', '--', 'sh', '-c', script];

/** Serves in its first life, and does something else in each further one. */
function onceThen(later: string): string[] {
  const before = join(deployment.folder, 'before');
  return shell(`test -e '${before}' && { ${later}; }; touch '${before}'; ${deployment.serve()}`);
}

const crash = () => process.kill(deployment.childPid, 'SIGKILL');

describe('a child that dies after its proof is started again', () => {
  test('proven anew, and counted in health.json, with RESTARTING between the two lives', async () => {
    const states = new StateWatch(deployment);
    const running = deployment.start(['run'], { RESTART_BACKOFF: '200ms' });
    await running.said(/^ready/m);
    const first = deployment.childPid;
    crash();
    await running.said(/^restarting: warning: ComfyUI ended with 137; starting it again in 0\.\d+ s$/m);
    await running.saidTimes('ready', 2);
    expect(deployment.childPid).not.toBe(first);
    expect(deployment.health()).toMatchObject({ state: 'READY', ready: true, restarts: 1, reason: null });
    expect(deployment.healthcheck().code).toBe(0);
    expect(await running.stop()).toBe(0);
    states.close();
    const { seen } = states;
    expect(seen.filter((state) => ['VERIFY', 'READY', 'RESTARTING'].includes(state))).toEqual([
      ...['VERIFY', 'READY', 'RESTARTING', 'VERIFY', 'READY'],
    ]);
  });

  test('with PASSWORD, the session key and GUEST_MODE put right, whatever became of them', async () => {
    const running = deployment.start(['run'], { COMFYUI_BEARER_TOKEN: hash, RESTART_BACKOFF: '10ms' });
    await running.said(/^ready/m);
    const guests = join(deployment.login, 'GUEST_MODE');
    writeFileSync(deployment.password, `${cheapHash(freshPassword())}\nmallory`);
    writeFileSync(guests, '');
    writeFileSync(join(deployment.comfyui, 'PASSWORD'), 'of old');
    crash();
    await running.saidTimes('ready', 2);
    expect(readFileSync(deployment.password, 'utf8')).toBe(`${hash}\nmallory`);
    expect([guests, join(deployment.comfyui, 'PASSWORD')].filter(existsSync)).toEqual([]);
    expect((await deployment.ask('/system_stats')).status).toBe(200);
    await running.stop();
  });

  test('but never without the login node: 78, and nothing listens', async () => {
    const running = deployment.start(['run'], { RESTART_BACKOFF: '10ms' });
    await running.said(/^ready/m);
    const prober = new AnonymousProber(deployment.port);
    renameSync(deployment.node, `${deployment.node}.disabled`);
    crash();
    expect(await running.ended).toBe(78);
    prober.stop();
    expect(prober.oks).toBe(0);
    expect(running.count('starting')).toBe(1);
    expect(running.output).toMatch(/^refused: .*ComfyUI-Login.*exit 78\)$/m);
    expect(deployment.health()).toMatchObject({ state: 'EXIT', live: false });
  });

  test('nor as an open server: 76 in a later life as in the first', async () => {
    const spoil = `mv '${deployment.node}' '${deployment.node}.disabled'; ${deployment.serve()}`;
    const running = deployment.start(onceThen(spoil), { RESTART_BACKOFF: '10ms' });
    await running.said(/^ready/m);
    crash();
    expect(await running.ended).toBe(76);
    expect(running.count('ready')).toBe(1);
  });

  test('until the budget is spent; a later life that dies before its proof counts', async () => {
    const running = deployment.start(onceThen('exit 9'), { RESTART_BUDGET: '2', RESTART_BACKOFF: '1ms' });
    await running.said(/^ready/m);
    crash();
    expect(await running.ended).toBe(9);
    expect([running.count('starting'), running.count('restarting')]).toEqual([3, 2]);
    expect(running.output).toMatch(/^restart-budget: ComfyUI ended with 9, and RESTART_BUDGET is spent/m);
    expect(deployment.health()).toMatchObject({ state: 'EXIT', restarts: 2 });
  });

  test('the budget is refilled as its time goes by', async () => {
    const env = { RESTART_BUDGET: '1 in 1ms', RESTART_BACKOFF: '5ms..5ms' };
    const three = `n=$(cat n); n=$((n + 1)); echo $n > n; test $n -gt 3 && exit 9; ${deployment.serve()}`;
    const count = join(deployment.comfyui, 'n');
    writeFileSync(count, '1');
    const running = deployment.start(onceThen(three), env);
    await running.said(/^ready/m);
    crash();
    await running.saidTimes('ready', 2);
    crash();
    await running.saidTimes('ready', 3);
    expect(deployment.health()).toMatchObject({ restarts: 2 });
    await running.stop();
  });
});

describe('a child is not started again', () => {
  test('where it dies before it was ever proven: its code, at once', async () => {
    const { code, output } = await deployment.end(shell('exit 9'), { RESTART_BACKOFF: '1h' });
    expect(code).toBe(9);
    expect(output).not.toMatch(/^restart/m);
  });

  test('where it ended well after its proof: 0', async () => {
    const running = deployment.start(['run'], { RESTART_BACKOFF: '1h' });
    await running.said(/^ready/m);
    process.kill(deployment.childPid, 'SIGINT');
    expect(await running.ended).toBe(0);
    expect(running.output).not.toMatch(/^restart/m);
  });
});

describe('a stop between two lives is a clean one, without another start', () => {
  test('in the pause', async () => {
    const running = deployment.start(['run'], { RESTART_BACKOFF: '1h' });
    await running.said(/^ready/m);
    crash();
    await running.said(/^restarting/m);
    expect(await running.stop()).toBe(0);
    expect(running.count('starting')).toBe(1);
    expect(deployment.health()).toMatchObject({ state: 'EXIT', reason: 'exit 0' });
  });

  test('while the next start is being prepared', async () => {
    const running = deployment.start(['run'], { RESTART_BACKOFF: '1ms' });
    await running.said(/^ready/m);
    const asked = join(deployment.folder, 'asked');
    deployment.setPython(`touch '${asked}'; exec sleep 60`);
    crash();
    await expect.poll(() => existsSync(asked), { timeout: 30_000 }).toBe(true);
    expect(await running.stop()).toBe(0);
    expect(running.count('starting')).toBe(1);
  });
});
