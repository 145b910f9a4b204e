import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { cheapHash, Deployment, freshPassword } from './entrypoint-harness.ts';
import { MoodyServer } from './entrypoint-moody-server.ts';

const [first, second] = [freshPassword(), freshPassword()];
const hash = cheapHash(first);

let deployment: Deployment;
let secret: string;
let env: Record<string, string>;
beforeEach(async () => {
  deployment = await Deployment.make();
  writeFileSync(deployment.password, `${hash}\nada`);
  secret = join(deployment.folder, 'secret');
  writeFileSync(secret, first);
  env = { COMFYUI_PASSWORD_FILE: secret };
});
afterEach(() => {
  const bearers = [hash, deployment.bearer].map((bearer) => bearer.slice(7));
  for (const hidden of [first, second, ...bearers]) expect(deployment.everythingSaid).not.toContain(hidden);
  deployment.remove();
});

const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });
const statusWith = async (init: RequestInit) => (await deployment.ask('/system_stats', init)).status;

/** The cookie that the form gives to who knows the password. */
async function session(password: string): Promise<RequestInit> {
  const body = new URLSearchParams({ password });
  const answer = await deployment.ask('/login', { method: 'POST', body, headers: {} });
  return { headers: { cookie: answer.headers.getSetCookie()[0] ?? '' } };
}

describe('SIGHUP', () => {
  test('with the same credential changes nothing, and that is said', async () => {
    const running = deployment.start(['run'], env);
    await running.said(/^ready/m);
    const child = deployment.childPid;
    running.process.kill('SIGHUP');
    await running.said(/^reloaded: the credential is the same/m);
    await expect.poll(() => deployment.health()).toMatchObject({ state: 'READY', childPid: child });
    expect(running.count('stopping')).toBe(0);
    expect(await running.stop()).toBe(0);
  });

  test('with another password restarts ComfyUI: a new token, and no old session', async () => {
    const running = deployment.start(['run'], { ...env, RESTART_BUDGET: '0', RESTART_BACKOFF: '1h..1h' });
    await running.said(/^ready/m);
    const cookie = await session(first);
    expect([await statusWith(cookie), await statusWith(bearer(hash))]).toEqual([200, 200]);
    const child = deployment.childPid;

    writeFileSync(secret, second);
    running.process.kill('SIGHUP');
    await running.saidTimes('ready', 2);

    expect(running.output).toMatch(/^restarting: warning: the credential changed; .* in 0 s$/m);
    expect(running.output).toMatch(/Stopped server/);
    expect(deployment.childPid).not.toBe(child);
    expect(deployment.health()).toMatchObject({ state: 'READY', restarts: 1 });
    expect([await statusWith(cookie), await statusWith(bearer(hash))]).toEqual([401, 401]);
    const renewed = await session(second);
    expect([await statusWith(renewed), await statusWith(bearer(deployment.bearer))]).toEqual([200, 200]);
    expect(await running.stop()).toBe(0);
  });

  test('with another user name restarts it too', async () => {
    const name = join(deployment.folder, 'name');
    writeFileSync(name, 'ada');
    const running = deployment.start(['run'], { ...env, COMFYUI_USERNAME_FILE: name });
    await running.said(/^ready/m);
    writeFileSync(name, 'grace');
    running.process.kill('SIGHUP');
    await running.saidTimes('ready', 2);
    expect(await (await deployment.ask('/login', { headers: {} })).text()).toContain('grace');
    await running.stop();
  });

  test.each<[string, () => void]>([
    ['a file that is not there', () => rmSync(secret)],
    ['a password that is too long', () => writeFileSync(secret, second.repeat(5))],
    ['a password with a line break', () => writeFileSync(secret, `${second}\n${second}`)],
  ])('with a credential that cannot be used is refused, and the old one stays: %s', async (_, spoil) => {
    const running = deployment.start(['run'], env);
    await running.said(/^ready/m);
    const child = deployment.childPid;
    spoil();
    running.process.kill('SIGHUP');
    await running.said(/^reload-refused: .*stays as it was\. Remedy: /m);
    await expect.poll(() => deployment.health()).toMatchObject({ state: 'READY', childPid: child });
    expect(await statusWith(bearer(hash))).toBe(200);
    writeFileSync(secret, first);
    running.process.kill('SIGHUP');
    await running.said(/^reloaded/m);
    expect(await running.stop()).toBe(0);
  });

  test('before ComfyUI is ready is not lost', async () => {
    const gate = join(deployment.folder, 'gate');
    const script = `while ! test -e '${gate}'; do sleep 0.05; done; ${deployment.serve()}`;
    const running = deployment.start(['run', '--', 'sh', '-c', script], env);
    await running.said(/^starting/m);
    writeFileSync(secret, second);
    running.process.kill('SIGHUP');
    // A signal of a higher number is delivered after it.
    running.process.kill('SIGUSR2');
    await running.said(/^signal-ignored: SIGUSR2/m);
    expect(running.output).not.toMatch(/^ready/m);
    writeFileSync(gate, '');
    await running.saidTimes('ready', 2);
    expect(deployment.bearer).not.toBe(hash);
    await running.stop();
  });

  test('while the proof does not hold leaves it degraded', async () => {
    const server = new MoodyServer(deployment);
    const running = deployment.start(['run', '--', process.execPath, server.program], {
      VERIFY_INTERVAL: '1s',
    });
    await running.said(/^ready/m);
    server.turn('broken');
    await running.said(/^degraded/m);
    running.process.kill('SIGHUP');
    await running.said(/^reloaded/m);
    await expect.poll(() => deployment.health().state).toBe('DEGRADED');
    expect(deployment.healthcheck().code).toBe(1);
    server.turn('good');
    await running.said(/^recovered/m);
    await running.stop('SIGINT');
  });

  test('again and again does not keep the proof from being repeated', async () => {
    const server = new MoodyServer(deployment);
    const running = deployment.start(['run', '--', process.execPath, server.program], {
      VERIFY_INTERVAL: '1s',
    });
    await running.said(/^ready/m);
    server.turn('open');
    // Each comes as soon as the one before was answered, long before the proof would be due.
    let code: number | null | undefined;
    for (let times = 1; times <= 100 && code === undefined; times++) {
      running.process.kill('SIGHUP');
      code = await Promise.race([running.ended, running.saidTimes('reloaded', times).then(() => undefined)]);
    }
    expect(code).toBe(76);
  });
});
