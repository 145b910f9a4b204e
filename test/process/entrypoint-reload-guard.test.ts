import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { Agent, get } from 'node:http';
import { join } from 'node:path';
import bcrypt from 'bcryptjs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { GUARD_NODE, layGuard } from '../../src/stand-in/tree.ts';
import { cheapHash, Deployment, freshPassword, type Running } from './entrypoint-harness.ts';

const passwords = [freshPassword(), freshPassword(), freshPassword()] as const;
const bearers = passwords.map(cheapHash) as [string, string, string];

let deployment: Deployment;
let files: { bearer: string; password: string };
beforeEach(async () => {
  deployment = await Deployment.make();
  layGuard(deployment.comfyui);
  files = { bearer: join(deployment.folder, 'bearer'), password: join(deployment.folder, 'secret') };
  hand(0);
});
afterEach(() => {
  const secrets = [...passwords, ...[...bearers, deployment.bearer].map((bearer) => bearer.slice(7))];
  for (const hidden of secrets) expect(deployment.everythingSaid).not.toContain(hidden);
  deployment.remove();
});

/** Puts a pair into the files that are handed in, one right after the other. */
function hand(index: 0 | 1 | 2): void {
  writeFileSync(files.password, passwords[index]);
  writeFileSync(files.bearer, bearers[index]);
}

const pair = () => ({ COMFYUI_PASSWORD_FILE: files.password, COMFYUI_BEARER_TOKEN_FILE: files.bearer });

async function ready(env: Record<string, string> = pair()): Promise<Running> {
  const running = deployment.start(['run'], { GUARD_COPY: 'off', ...env });
  await running.said(/^ready/m);
  return running;
}

const statusAs = async (bearer: string) =>
  (await deployment.ask('/system_stats', { headers: { authorization: `Bearer ${bearer}` } })).status;

/** Since when it is in the state that it is in: another time says that it has looked at the files. */
const since = () => deployment.health().since;

/** Puts a new file in the place of the old one. */
function replace(path: string, text: string): void {
  writeFileSync(`${path}.new`, text);
  renameSync(`${path}.new`, path);
}

/** Removes a file, and writes it anew. */
function anew(path: string, text: string): void {
  rmSync(path);
  writeFileSync(path, text);
}

/** A folder of secrets as kubelet keeps it: each a link into `..data`, which is a link to the folder of the day. */
class KubernetesVolume {
  readonly #folder: string;
  #version = 0;

  constructor(folder: string) {
    this.#folder = folder;
    mkdirSync(folder);
  }

  path(name: string): string {
    return join(this.#folder, name);
  }

  swap(secrets: Record<string, string>): void {
    const before = `..2026_${this.#version}`;
    const now = `..2026_${++this.#version}`;
    mkdirSync(this.path(now));
    for (const [name, text] of Object.entries(secrets)) {
      writeFileSync(join(this.path(now), name), text);
      if (!existsSync(this.path(name))) symlinkSync(join('..data', name), this.path(name));
    }
    symlinkSync(now, this.path('..data_tmp'));
    renameSync(this.path('..data_tmp'), this.path('..data'));
    rmSync(this.path(before), { recursive: true, force: true });
  }
}

/** Which of the pairs ComfyUI takes. */
const taken = () => Promise.all(bearers.map(statusAs));

/** The cookie that the form gives to who knows the password. */
async function session(password: string): Promise<RequestInit> {
  const body = new URLSearchParams({ password });
  const answer = await deployment.ask('/login', { method: 'POST', body, headers: {} });
  return { headers: { cookie: answer.headers.getSetCookie()[0] ?? '' } };
}

/** Ends it, and holds that it was one and the same ComfyUI all the time. */
async function endUnbroken(running: Running): Promise<void> {
  expect(await running.stop()).toBe(0);
  expect(running.count('starting')).toBe(1);
  expect(running.count('restarting')).toBe(0);
}

describe('a file that is changed', () => {
  test('changes the credential of a ComfyUI that goes on, and ends the old sessions', async () => {
    const running = await ready();
    expect(running.output).toMatch(/^ready: /m);
    expect(deployment.health()).toMatchObject({ state: 'READY', guard: '0.1.0' });
    const [child, cookie] = [deployment.childPid, await session(passwords[0])];
    expect((await deployment.ask('/system_stats', cookie)).status).toBe(200);

    hand(1);
    await running.said(/^rotated: .*sessions: ended$/m);

    expect(await taken()).toEqual([401, 200, 401]);
    expect((await deployment.ask('/system_stats', cookie)).status).toBe(401);
    await expect.poll(() => deployment.health().state).toBe('READY');
    expect(deployment.childPid).toBe(child);
    expect(deployment.bearer).toBe(bearers[1]);
    await endUnbroken(running);
  });

  test('is told with the bearer’s name, what became of the sessions, and how long it took', async () => {
    const running = deployment.start(['run'], { GUARD_COPY: 'off', LOG_FORMAT: 'json', ...pair() });
    await running.said(/"event":"ready".*"guard":"0\.1\.0"}/);
    hand(1);
    await running.said(/"event":"rotated".*}/);
    const [line = ''] = /^{"time".*"event":"rotated".*}$/m.exec(running.output) ?? [];
    const credential = createHash('sha256').update(bearers[1]).digest('hex').slice(0, 8);
    expect(JSON.parse(line)).toMatchObject({ level: 'info', credential, sessions: 'ended' });
    expect(JSON.parse(line).ms).toBeGreaterThanOrEqual(50);
    expect(await running.stop()).toBe(0);
  });

  test('again and again is taken over each time', async () => {
    const running = await ready();
    for (const [times, index] of [1, 2, 0, 1, 2].entries()) {
      hand(index as 0 | 1 | 2);
      await running.saidTimes('rotated', times + 1);
      expect(await statusAs(bearers[index] ?? '')).toBe(200);
    }
    expect(await taken()).toEqual([401, 401, 200]);
    await endUnbroken(running);
  });

  test('the password alone gives a new bearer', async () => {
    const running = await ready({ COMFYUI_PASSWORD_FILE: files.password });
    const first = deployment.bearer;
    writeFileSync(files.password, passwords[1]);
    await running.said(/^rotated/m);
    expect(running.output).toMatch(/^credential: warning: the token changed/m);
    expect([await statusAs(first), await statusAs(deployment.bearer)]).toEqual([401, 200]);
    expect((await deployment.ask('/system_stats', await session(passwords[1]))).status).toBe(200);
    await endUnbroken(running);
  });

  test('while ComfyUI starts is taken over once it is ready', async () => {
    const gate = join(deployment.folder, 'gate');
    const script = `while ! test -e '${gate}'; do sleep 0.05; done; ${deployment.serve()}`;
    const running = deployment.start(['run', '--', 'sh', '-c', script], { GUARD_COPY: 'off', ...pair() });
    await running.said(/^starting/m);
    hand(1);
    writeFileSync(gate, '');
    await running.said(/^rotated/m);
    expect(await taken()).toEqual([401, 200, 401]);
    await endUnbroken(running);
  });

  test('into a wrong one for good is said once, and all stays', async () => {
    const running = await ready();
    writeFileSync(files.bearer, bearers[1]);
    await running.said(/^reload-refused: .*stays as it was\. Remedy: /m);
    expect(await taken()).toEqual([200, 401, 401]);
    // Whatever else would have been said of it came before this.
    hand(2);
    await running.said(/^rotated/m);
    expect(running.count('reload-refused')).toBe(1);
    await endUnbroken(running);
  });

  test.each<[string, () => void]>([
    ['it does not fit the other one yet', () => writeFileSync(files.password, passwords[1])],
    ['half of it is there', () => writeFileSync(files.bearer, bearers[1].slice(0, 30))],
  ])('is not worth a word while more is to come: %s', async (_, begin) => {
    const running = await ready();
    const before = since();
    begin();
    await expect.poll(since).not.toBe(before);
    hand(1);
    await running.said(/^rotated/m);
    expect(running.count('reload-refused')).toBe(0);
    expect(await taken()).toEqual([401, 200, 401]);
    await endUnbroken(running);
  });

  test.each<[string, (path: string, text: string) => void]>([
    ['in place', writeFileSync],
    ['by a rename', replace],
    ['by removing it first', anew],
  ])('is taken over within half a second: %s', async (_, write) => {
    const running = await ready();
    write(files.password, passwords[1]);
    const written = performance.now();
    write(files.bearer, bearers[1]);
    await expect.poll(() => statusAs(bearers[0]), { interval: 10, timeout: 2000 }).toBe(401);
    expect(performance.now() - written).toBeLessThan(500);
    await endUnbroken(running);
  });

  test('is found through the links of Kubernetes, time and again', async () => {
    const volume = new KubernetesVolume(join(deployment.folder, 'volume'));
    volume.swap({ password: passwords[0], bearer: bearers[0] });
    const env = {
      COMFYUI_PASSWORD_FILE: volume.path('password'),
      COMFYUI_BEARER_TOKEN_FILE: volume.path('bearer'),
    };
    const running = await ready(env);
    for (const [times, index] of ([1, 2, 0] as const).entries()) {
      volume.swap({ password: passwords[index], bearer: bearers[index] });
      await running.saidTimes('rotated', times + 1);
    }
    expect(await taken()).toEqual([200, 401, 401]);
    await endUnbroken(running);
  });

  test('with the same content changes nothing, and nothing is said', async () => {
    const running = await ready();
    replace(files.bearer, bearers[0]);
    writeFileSync(files.password, `${passwords[0]}\n`);
    // A signal is heard after it, and says that it is the same; a change would have been told before.
    running.process.kill('SIGHUP');
    await running.said(/^reloaded/m);
    hand(1);
    await running.said(/^rotated/m);
    expect([running.count('reloaded'), running.count('rotated')]).toEqual([1, 1]);
    await endUnbroken(running);
  });
});

describe('SIGHUP', () => {
  test('with PASSWORD written by somebody else takes that over, where nothing was handed in', async () => {
    writeFileSync(deployment.password, `${bearers[0]}\nada`);
    const running = await ready({});
    writeFileSync(deployment.password, `${bearers[1]}\nada`);
    running.process.kill('SIGHUP');
    await running.said(/^rotated/m);
    expect(await taken()).toEqual([401, 200, 401]);
    await endUnbroken(running);
  });

  test('the same where the password that was handed in opens it', async () => {
    const other = cheapHash(passwords[0]);
    const running = await ready({ COMFYUI_PASSWORD_FILE: files.password });
    const before = deployment.bearer;
    writeFileSync(deployment.password, `${other}\nadmin`);
    running.process.kill('SIGHUP');
    await running.said(/^rotated/m);
    expect([await statusAs(before), await statusAs(other)]).toEqual([401, 200]);
    await endUnbroken(running);
  });

  test.each<[string, () => Record<string, string>]>([
    ['bearer', pair],
    ['password', () => ({ COMFYUI_PASSWORD_FILE: files.password })],
  ])('puts PASSWORD right where another %s was handed in', async (_, env) => {
    const running = await ready(env());
    const { bearer } = deployment;
    writeFileSync(deployment.password, `${bearers[1]}\nadmin`);
    running.process.kill('SIGHUP');
    await running.said(/^reloaded/m);
    expect(running.count('password-restored')).toBe(1);
    expect(readFileSync(deployment.password, 'utf8')).toBe(`${bearer}\nadmin`);
    expect([await statusAs(bearer), await statusAs(bearers[1])]).toEqual([200, 401]);
    await endUnbroken(running);
  });

  test('after somebody else let the guard read PASSWORD goes on with that', async () => {
    writeFileSync(deployment.password, `${bearers[0]}\nada`);
    const running = await ready({});
    writeFileSync(deployment.password, `${bearers[1]}\nada`);
    const answer = await deployment.ask('/reload_token', { method: 'POST' });
    expect(await answer.json()).toMatchObject({ reloaded: true });
    running.process.kill('SIGHUP');
    await running.said(/^rotated: .*sessions: unknown$/m);
    await endUnbroken(running);
  });

  test('with another user name takes that over, with the same bearer', async () => {
    const name = join(deployment.folder, 'name');
    writeFileSync(name, 'ada');
    const running = await ready({ ...pair(), COMFYUI_USERNAME_FILE: name });
    writeFileSync(name, 'grace');
    running.process.kill('SIGHUP');
    await running.said(/^rotated: user grace, /m);
    expect(await (await deployment.ask('/login', { headers: {} })).text()).toContain('grace');
    expect(await statusAs(bearers[0])).toBe(200);
    await endUnbroken(running);
  });
});

test('a stop while bcrypt is computed goes first: nothing is written any more', async () => {
  const running = await ready();
  // So many rounds take a second.
  const costly = bcrypt.hashSync(passwords[1], 14);
  writeFileSync(files.password, passwords[1]);
  writeFileSync(files.bearer, costly);
  await expect.poll(() => deployment.health().state, { interval: 5 }).toBe('RELOADING');
  expect(await running.stop()).toBe(0);
  expect(deployment.bearer).toBe(bearers[0]);
  expect(running.count('rotated')).toBe(0);
});

describe('PASSWORD beside the guard', () => {
  test.each<[string, () => void]>([
    ['removed', () => rmSync(deployment.password)],
    ['emptied', () => writeFileSync(deployment.password, '')],
    ['removed with its folder', () => rmSync(deployment.login, { recursive: true })],
  ])('is put back at once where it is %s', async (_, lose) => {
    const running = await ready();
    for (const times of [1, 2]) {
      lose();
      await running.saidTimes('password-restored', times);
      expect(deployment.bearer).toBe(bearers[0]);
      await expect.poll(() => statusAs(bearers[0])).toBe(200);
    }
    await endUnbroken(running);
  });

  test('is put back at the next proof where no notice came', async () => {
    const running = await ready({ ...pair(), VERIFY_INTERVAL: '1s' });
    // The notices are of the folder that was there at the start; what is in its place now is another one.
    const aside = `${deployment.login}.aside`;
    renameSync(deployment.login, aside);
    symlinkSync(join(deployment.folder, 'nowhere'), deployment.login);
    await running.said(/^degraded/m);
    await running.said(/^password-lost: .*Remedy: /m);
    const before = readFileSync(join(deployment.run, 'health.json'), 'utf8');
    await expect
      .poll(() => readFileSync(join(deployment.run, 'health.json'), 'utf8') !== before, { timeout: 10_000 })
      .toBe(true);
    expect(running.count('password-lost')).toBe(1);
    expect(await statusAs(bearers[0])).toBe(503);
    rmSync(deployment.login);
    renameSync(aside, deployment.login);
    rmSync(deployment.password, { force: true });
    await running.said(/^password-restored/m);
    await running.said(/^recovered/m);
    expect(await statusAs(bearers[0])).toBe(200);
    await endUnbroken(running);
  });

  test('that somebody else wrote, and let the guard read, is taken over where nothing was handed in', async () => {
    writeFileSync(deployment.password, `${bearers[0]}\nada`);
    const running = await ready({ VERIFY_INTERVAL: '1s' });
    const asOld = { headers: { authorization: `Bearer ${bearers[0]}` }, method: 'POST' };
    writeFileSync(deployment.password, `${bearers[1]}\nada`);
    await deployment.ask('/reload_token', asOld);
    await running.said(/^degraded/m);
    await running.said(/^rotated/m);
    await running.said(/^recovered/m);
    expect(await taken()).toEqual([401, 200, 401]);
    await endUnbroken(running);
  });
});

test.each<[string, Record<string, string>, () => void, RegExp]>([
  ['a new credential', { KEEP_SESSIONS: 'true' }, () => hand(1), /^rotated: .*sessions: kept$/m],
  ['a PASSWORD that was put back', {}, () => rmSync(deployment.password), /^password-restored/m],
])('sessions that outlive %s outlive a restart of ComfyUI after it, too', async (_, env, change, said) => {
  const running = await ready({ ...pair(), RESTART_BACKOFF: '10ms', ...env });
  const cookie = await session(passwords[0]);
  change();
  await running.said(said);
  process.kill(deployment.childPid, 'SIGKILL');
  await running.saidTimes('ready', 2);
  expect((await deployment.ask('/system_stats', cookie)).status).toBe(200);
  expect(await running.stop()).toBe(0);
});

test('a stop that finds PASSWORD gone puts it back first: else nobody says what is left in the queue', async () => {
  const running = await ready({ ...pair(), STOP_GRACE: '30s' });
  rmSync(deployment.password);
  expect(await running.stop()).toBe(0);
  expect([running.count('draining'), running.count('password-restored')]).toEqual([0, 1]);
});

test('what watched one life of ComfyUI writes nothing in the next', async () => {
  const running = await ready({ ...pair(), RESTART_BACKOFF: '10ms' });
  // The next life has no guard, and so nobody of its own who puts PASSWORD back.
  rmSync(join(deployment.comfyui, GUARD_NODE), { recursive: true });
  process.kill(deployment.childPid, 'SIGKILL');
  await running.saidTimes('ready', 2);
  rmSync(deployment.password);
  // What puts it back does so sooner than this is taken up.
  hand(1);
  await running.saidTimes('ready', 3);
  expect(running.count('password-restored')).toBe(0);
  expect(await running.stop()).toBe(0);
});

test('the relay stays open during a reload: a connection that was there goes on', async () => {
  const running = await ready({ ...pair(), EXPOSE_MODE: 'relay' });
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const askOn = (bearer: string) =>
    new Promise<[number | undefined, number | undefined]>((resolve, reject) => {
      const headers = { authorization: `Bearer ${bearer}` };
      const asked = get({ port: deployment.port, path: '/system_stats', agent, headers }, (response) => {
        const answer: [number | undefined, number | undefined] = [
          response.statusCode,
          asked.socket?.localPort,
        ];
        response.resume().once('end', () => resolve(answer));
      }).once('error', reject);
    });
  const [before, port] = await askOn(bearers[0]);
  hand(1);
  await running.said(/^rotated/m);
  expect([before, await askOn(bearers[1])]).toEqual([200, [200, port]]);
  agent.destroy();
  await endUnbroken(running);
});
