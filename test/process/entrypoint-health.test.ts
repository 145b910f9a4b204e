import { chmodSync, chownSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest';
import { cheapHash, Deployment, freshPassword } from './entrypoint-harness.ts';
import { MoodyServer } from './entrypoint-moody-server.ts';

let deployment: Deployment;
beforeEach(async () => {
  deployment = await Deployment.make();
  writeFileSync(deployment.password, `${cheapHash(freshPassword())}\nada`);
});
afterEach(() => deployment.remove());

/** A user that is nobody's. */
const uid = 54_321;
const file = () => join(deployment.run, 'health.json');
const age = (change: Record<string, unknown>) =>
  writeFileSync(file(), JSON.stringify({ ...JSON.parse(readFileSync(file(), 'utf8')), ...change }));

test('healthy only from the proof to the end', async () => {
  expect(deployment.healthcheck()).toMatchObject({
    code: 1,
    stdout: expect.stringMatching(/no health\.json/),
  });
  const running = deployment.start(['run']);
  await running.said(/^ready/m);
  expect(deployment.healthcheck()).toMatchObject({ code: 0, stdout: expect.stringMatching(/^READY since/) });
  expect(deployment.healthcheck(['--live']).code).toBe(0);
  expect(deployment.health()).toMatchObject({
    v: 1,
    state: 'READY',
    restarts: 0,
    checks: expect.arrayContaining([expect.objectContaining({ id: 'anonymous', verdict: 'pass' })]),
  });
  await running.stop();
  expect(deployment.healthcheck()).toMatchObject({
    code: 1,
    stdout: expect.stringMatching(/has ended: exit 0/),
  });
  expect(deployment.healthcheck(['--live']).code).toBe(1);
});

test('while it starts it is live, and not ready', async () => {
  const running = deployment.start(['run', '--', 'sleep', '60'], { STOP_GRACE: '100ms' });
  await running.said(/^starting/m);
  expect(deployment.healthcheck()).toMatchObject({
    code: 1,
    stdout: expect.stringMatching(/^not ready: STARTING/),
  });
  expect(deployment.healthcheck(['--live']).code).toBe(0);
  await running.stop();
});

test('a proof that cannot be repeated degrades it, until it can', async () => {
  const server = new MoodyServer(deployment);
  const running = deployment.start(['run', '--', process.execPath, server.program], {
    VERIFY_INTERVAL: '1s',
  });
  await running.said(/^ready/m);
  server.turn('broken');
  await running.said(/^degraded: warning: the proof cannot be repeated/m);
  expect(deployment.health()).toMatchObject({ state: 'DEGRADED', live: true, ready: false });
  expect(deployment.healthcheck().code).toBe(1);
  server.turn('good');
  await running.said(/^recovered/m);
  expect(deployment.healthcheck().code).toBe(0);
  await running.stop('SIGINT');
});

test('stale, or without its process, it is not healthy', async () => {
  const running = deployment.start(['run']);
  await running.said(/^ready/m);
  age({ updatedAt: new Date(Date.now() - 31_000).toISOString() });
  expect(deployment.healthcheck()).toMatchObject({
    code: 1,
    stdout: expect.stringMatching(/last written 31 s ago/),
  });
  expect(deployment.healthcheck(['--live']).code).toBe(1);
  running.process.kill('SIGKILL');
  await running.ended;
  // Nobody is left to end the child.
  process.kill(deployment.health().childPid ?? 0, 'SIGKILL');
  age({ updatedAt: new Date().toISOString() });
  expect(deployment.healthcheck()).toMatchObject({ code: 1, stdout: expect.stringMatching(/is gone/) });
});

test.each(['', '{', '[]', '{"v":1}', '{"v":2,"pid":1,"updatedAt":"2026-01-01"}'])(
  'no health in %j',
  async (content) => {
    await deployment.end(['run', '--', 'true']);
    writeFileSync(file(), content);
    expect(deployment.healthcheck().code).toBe(1);
  },
);

test('anybody in the container may read it, and nothing in it is secret', async () => {
  const running = deployment.start(['run']);
  await running.said(/^ready/m);
  expect(statSync(file()).mode & 0o777).toBe(0o644);
  const [hash = ''] = readFileSync(deployment.password, 'utf8').split('\n');
  expect(readFileSync(file(), 'utf8')).not.toContain(hash.slice(7));
  await running.stop();
});

test('where RUN_DIR cannot be written to it stands below /tmp, and that is said', async () => {
  const env = { RUN_DIR: '/proc/nowhere' };
  const folder = `/tmp/comfyui-auth-${process.getuid?.()}`;
  const { output } = await deployment.end(['run', '--', 'false'], env);
  expect(output).toContain(`health in ${folder}\n`);
  const { stdout } = deployment.healthcheck([], env);
  expect(stdout).toMatch(/has ended: exit 1/);
  rmSync(join(folder, 'health.json'), { force: true });
});

test.runIf(process.getuid?.() === 0)('a planted file below /tmp is not believed', async () => {
  const folder = `/tmp/comfyui-auth-${uid}`;
  const now = new Date().toISOString();
  const planted = { v: 1, state: 'READY', live: true, ready: true, since: now, updatedAt: now, pid: 1 };
  const ask = () => deployment.healthcheck([], {}, uid);
  mkdirSync(folder, { mode: 0o755 });
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, 'health.json'), JSON.stringify(planted));
  expect(ask()).toMatchObject({ code: 1, stdout: expect.stringMatching(/no health\.json/) });
  chownSync(folder, uid, uid);
  expect(ask().code).toBe(0);
  chmodSync(folder, 0o777);
  expect(ask().code).toBe(1);
  chmodSync(folder, 0o755);
  chmodSync(deployment.folder, 0o755);
  mkdirSync(deployment.run, { mode: 0o755 });
  writeFileSync(file(), JSON.stringify({ ...planted, ready: false, reason: null }));
  expect(ask()).toMatchObject({ code: 1, stdout: expect.stringMatching(/^not ready/) });
});

test('a time in the future is not believed', async () => {
  const running = deployment.start(['run']);
  await running.said(/^ready/m);
  age({ updatedAt: new Date(Date.now() + 3_000).toISOString() });
  expect(deployment.healthcheck().code).toBe(0);
  age({ updatedAt: '2099-01-01T00:00:00.000Z' });
  expect(deployment.healthcheck()).toMatchObject({ code: 1, stdout: expect.stringMatching(/in the future/) });
  await running.stop();
});

test('a refusal stands in it', async () => {
  await deployment.end(['run'], { COMFYUI_BEARER_TOKEN: 'x'.repeat(61) });
  expect(deployment.health()).toMatchObject({
    state: 'EXIT',
    reason: expect.stringMatching(/61 characters/),
  });
});
