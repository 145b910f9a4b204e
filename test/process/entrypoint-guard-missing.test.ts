import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { GUARD_NODE, layGuard } from '../../src/stand-in/tree.ts';
import {
  AnonymousProber,
  cheapHash,
  Deployment,
  freePort,
  freshPassword,
  type Running,
} from './entrypoint-harness.ts';
import { type GuardMood, MoodyGuard } from './entrypoint-moody-guard.ts';

const bearer = cheapHash(freshPassword());

let deployment: Deployment;
beforeEach(async () => {
  deployment = await Deployment.make();
  writeFileSync(deployment.password, `${bearer}\nada`);
});
afterEach(() => deployment.remove());

/** Serves by a program that is no ComfyUI, and has the guard only as far as it says so. */
function start(mood: GuardMood, more: Record<string, string> = {}): [Running, MoodyGuard] {
  const guard = new MoodyGuard(deployment, mood);
  const env = { GUARD_COPY: 'off', VERIFY_INTERVAL: '1s', API_TIMEOUT: '1s', STOP_GRACE: '4s', ...more };
  return [deployment.start(['run', '--', process.execPath, guard.program], env), guard];
}

describe('ComfyUI that was started with the guard, and runs without it', () => {
  beforeEach(() => layGuard(deployment.comfyui));

  test('is refused before it is ready, and ended', async () => {
    const [running] = start('without');
    expect(await running.ended).toBe(78);
    expect(running.output).toMatch(/^refused: .*failed to load.*GUARD_COPY=off.*\(guard-missing, exit 78\)/m);
    expect(running.count('ready')).toBe(0);
    await expect(deployment.ask('/healthz')).rejects.toThrow();
  });

  test('never opens the relay', async () => {
    const { port } = deployment;
    const prober = new AnonymousProber(port, '/login');
    deployment.port = await freePort();
    const guard = new MoodyGuard(deployment, 'without');
    const argv = ['run', '--', process.execPath, guard.program, '--port', String(deployment.port)];
    const relay = { GUARD_COPY: 'off', EXPOSE_MODE: 'relay', COMFYUI_PORT: String(port) };
    const running = deployment.start(argv, relay);
    expect(await running.ended).toBe(78);
    prober.stop();
    expect([prober.oks, running.count('ready')]).toEqual([0, 0]);
  });

  test('is killed as open where it has the holes that the guard closes', async () => {
    const script = `rm -rf '${join(deployment.comfyui, GUARD_NODE)}'; ${deployment.serve()}`;
    const running = deployment.start(['run', '--', 'sh', '-c', script], { GUARD_COPY: 'off' });
    expect(await running.ended).toBe(76);
    expect(running.output).toMatch(/^open: .*failed to load.*\(open-by-suffix, exit 76\)/m);
    expect(running.count('ready')).toBe(0);
  });

  test('is ended when the guard goes later', async () => {
    const [running, guard] = start('good');
    await running.said(/^ready/m);
    guard.turn('without');
    expect(await running.ended).toBe(78);
    expect(running.output).toMatch(/\(guard-missing, exit 78\)/);
  });

  test('is not ready while the guard says nothing, and is then', async () => {
    const [running, guard] = start('dumb');
    await expect.poll(() => deployment.health().state, { timeout: 10_000 }).toBe('VERIFY');
    await expect.poll(() => guard.asked, { timeout: 10_000 }).toBeGreaterThan(1);
    expect(running.count('ready')).toBe(0);
    guard.turn('good');
    await running.said(/^ready/m);
    expect(deployment.health().guard).toBe('0.1.0');
    expect(await running.stop()).toBe(0);
  });

  test('is given up where the guard says nothing for the whole time', async () => {
    const [running] = start('dumb', { VERIFY_TIMEOUT: '3s' });
    expect(await running.ended).toBe(69);
    expect(running.output).toMatch(/^refused: never ready: the guard .*\(guard-missing, exit 69\)/m);
  });

  test('a guard that is busy once it is ready ends nothing', async () => {
    const [running, guard] = start('good');
    await running.said(/^ready/m);
    guard.turn('dumb');
    const before = guard.asked;
    await expect.poll(() => guard.asked, { timeout: 10_000 }).toBeGreaterThan(before + 1);
    expect(deployment.health()).toMatchObject({ state: 'READY', guard: '0.1.0' });
    expect(await running.stop()).toBe(0);
  });
});

describe('PASSWORD that is removed', () => {
  test('is put back beside a guard that cannot exchange the credential', async () => {
    const [running] = start('fixed');
    await running.said(/^ready/m);
    rmSync(deployment.password);
    await running.said(/^password-restored/m);
    expect(deployment.bearer).toBe(bearer);
    expect(await running.stop()).toBe(0);
  });

  test('is put back beside a guard that did not answer at first', async () => {
    const [running, guard] = start('dumb');
    await running.said(/^ready/m);
    expect(deployment.health().guard).toBe(null);
    guard.turn('good');
    await expect.poll(() => deployment.health().guard, { timeout: 10_000 }).toBe('0.1.0');
    rmSync(deployment.password);
    await running.said(/^password-restored/m);
    expect(existsSync(deployment.password)).toBe(true);
    expect(await running.stop()).toBe(0);
  });
});

test('a guard that refuses the same credential is not said to have taken it', async () => {
  const [running] = start('refuses');
  await running.said(/^ready/m);
  running.process.kill('SIGHUP');
  await running.said(/^reloaded: warning: the credential is the same; the guard refused it$/m);
  expect(await running.stop()).toBe(0);
});
