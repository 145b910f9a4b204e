import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { cheapHash, Deployment, freshPassword, type Running } from './entrypoint-harness.ts';
import { MoodyServer } from './entrypoint-moody-server.ts';

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

/** Gives ComfyUI something to do for so many seconds. */
async function queue(...seconds: number[]): Promise<void> {
  for (const one of seconds) {
    const prompt = { 1: { class_type: 'Wait', inputs: { seconds: one } } };
    const { status } = await deployment.ask('/prompt', { method: 'POST', body: JSON.stringify({ prompt }) });
    expect(status).toBe(200);
  }
}

async function ready(env: Record<string, string>): Promise<Running> {
  const running = deployment.start(['run'], env);
  await running.said(/^ready/m);
  return running;
}

/** Whether somebody can connect to the port that is published. */
async function connects(): Promise<boolean> {
  const socket = connect(deployment.port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    // A port that is being closed resets what it can no longer take.
    const reset = once(socket, 'close').then(() => false);
    socket.write('GET /login HTTP/1.1\r\nhost: x\r\n\r\n');
    return await Promise.race([reset, once(socket, 'data').then(() => true)]);
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

describe('a stop', () => {
  test('waits for what ComfyUI is at', async () => {
    const running = await ready({ STOP_GRACE: '60s' });
    await queue(1.2, 0.4);
    running.process.kill('SIGTERM');
    await running.said(/^draining: 2 in the queue; waiting for them up to 5[56] s$/m);
    expect(deployment.health()).toMatchObject({ state: 'DRAINING', ready: false, live: true });
    expect(deployment.healthcheck().code).toBe(1);
    expect(await running.ended).toBe(0);
    expect(running.output.match(/^Prompt executed in /gm)).toHaveLength(2);
    expect(running.output).not.toMatch(/^drained|Processing interrupted/m);
  });

  test('gives up four seconds before the end of the grace: queue cleared, prompt interrupted', async () => {
    const running = await ready({ STOP_GRACE: '4500ms' });
    await queue(600, 600, 600);
    const asked = performance.now();
    expect(await running.stop()).toBe(0);
    expect(performance.now() - asked).toBeGreaterThan(500);
    expect(running.output).toMatch(/^drained: warning: gave up 3 prompts in the queue$/m);
    expect(running.output.match(/Processing interrupted/g)).toHaveLength(1);
    expect(running.output).toMatch(/Stopped server/);
  });

  test('that is asked for twice kills at once, whatever is left to do', async () => {
    const running = await ready({ STOP_GRACE: '10m' });
    await queue(600);
    running.process.kill('SIGTERM');
    await running.said(/^draining/m);
    const asked = performance.now();
    expect(await running.stop('SIGTERM')).toBe(137);
    expect(performance.now() - asked).toBeLessThan(3000);
    expect(running.output).not.toMatch(/Stopped server/);
  });

  test('does not wait where nothing is left to do, and asks as the origin that ComfyUI answers', async () => {
    const running = await ready({ STOP_GRACE: '10m', COMFYUI_CORS_ORIGIN: 'https://ui.example' });
    expect(await running.stop()).toBe(0);
    expect(running.count('draining')).toBe(0);
    expect(running.output).toMatch(/Stopped server/);
  });

  test('waits for the queue of a server with a fixed origin as well', async () => {
    const running = await ready({ STOP_GRACE: '60s', COMFYUI_CORS_ORIGIN: 'https://ui.example' });
    const headers = { authorization: `Bearer ${deployment.bearer}`, origin: 'https://ui.example' };
    const body = JSON.stringify({ prompt: { 1: { inputs: { seconds: 0.8 } } } });
    expect((await deployment.ask('/prompt', { method: 'POST', headers, body })).status).toBe(200);
    expect(await running.stop()).toBe(0);
    expect(running.output).toMatch(/^Prompt executed in /m);
  });

  test('takes no silence for an empty queue, and ends a server that stays silent within the grace', async () => {
    const server = new MoodyServer(deployment);
    const running = deployment.start(['run', '--', process.execPath, server.program], { STOP_GRACE: '7s' });
    await running.said(/^ready/m);
    server.turn('mute');
    const asked = performance.now();
    expect(await running.stop()).toBe(0);
    expect(performance.now() - asked).toBeGreaterThan(3000);
    expect(running.output).toMatch(
      /^draining: ComfyUI does not say what is in its queue; asking on for up to \d s$/m,
    );
    expect(running.output).toMatch(/^drained: warning: gave up whatever is in the queue$/m);
  });

  test('of a server that died in the middle of draining is over', async () => {
    const running = await ready({ STOP_GRACE: '10m' });
    await queue(600);
    running.process.kill('SIGTERM');
    await running.said(/^draining/m);
    process.kill(deployment.childPid, 'SIGKILL');
    expect(await running.ended).toBe(137);
    expect(running.count('restarting')).toBe(0);
  });

  test('of a start that was never ready does not wait for a queue', async () => {
    const script = `trap 'exit 0' INT; echo armed; while :; do sleep 0.05; done`;
    const running = deployment.start(['run', '--', 'sh', '-c', script], { STOP_GRACE: '10m' });
    await running.said(/^armed/m);
    expect(await running.stop()).toBe(0);
    expect(running.count('draining')).toBe(0);
  });
});

test('behind the relay nobody new comes in while the queue is waited for', async () => {
  const running = await ready({ STOP_GRACE: '60s', EXPOSE_MODE: 'relay' });
  await queue(1.5);
  expect(await connects()).toBe(true);
  running.process.kill('SIGTERM');
  await running.said(/^draining/m);
  expect(await connects()).toBe(false);
  expect(await running.ended).toBe(0);
  expect(running.output).toMatch(/^Prompt executed in /m);
});

describe('another credential', () => {
  const secret = () => join(deployment.folder, 'secret');
  const rotate = (running: Running) => {
    writeFileSync(secret(), freshPassword());
    running.process.kill('SIGHUP');
  };

  test('waits for the queue, too', async () => {
    writeFileSync(secret(), password);
    const running = await ready({ STOP_GRACE: '10m', COMFYUI_PASSWORD_FILE: secret() });
    await queue(600);
    rotate(running);
    await running.said(/^draining/m);
    await deployment.ask('/interrupt', { method: 'POST' });
    await running.saidTimes('ready', 2);
    expect(running.count('drained')).toBe(0);
    expect(await running.stop()).toBe(0);
  });

  test('and a stop in the meantime is the last word', async () => {
    writeFileSync(secret(), password);
    const running = await ready({ STOP_GRACE: '10m', COMFYUI_PASSWORD_FILE: secret() });
    await queue(600);
    rotate(running);
    await running.said(/^draining/m);
    running.process.kill('SIGTERM');
    await deployment.ask('/interrupt', { method: 'POST' });
    expect(await running.ended).toBe(0);
    expect([running.count('ready'), running.count('restarting')]).toEqual([1, 0]);
  });

  test('and who asks for the stop twice is not kept waiting', async () => {
    writeFileSync(secret(), password);
    const running = await ready({ STOP_GRACE: '10m', COMFYUI_PASSWORD_FILE: secret() });
    await queue(600);
    rotate(running);
    await running.said(/^draining/m);
    running.process.kill('SIGTERM');
    expect(await running.stop('SIGINT')).toBe(137);
    expect(running.count('restarting')).toBe(0);
  });
});
