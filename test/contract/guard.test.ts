import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { describe, expect, it, vi } from 'vitest';
import { Secret } from '../../src/model/secret.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { prove } from '../../src/probe/gate.ts';
import { askGuard, type GuardReload, type GuardReport, reloadThroughGuard } from '../../src/probe/guard.ts';
import { bearer, call, form } from './call.ts';
import { freshPair, Stage, statusOf, statusWith } from './stage.ts';
import { guardSubjects, subjects } from './subjects.ts';

const named = (hash: string) => createHash('sha256').update(hash).digest('hex').slice(0, 8);

const asked = (url: string, hash: string): Promise<GuardReport> =>
  askGuard({ url, bearer: new Secret(hash), clock: systemClock });

const reloaded = (url: string, hash: string): Promise<GuardReload> =>
  reloadThroughGuard({ url, bearer: new Secret(hash), clock: systemClock });

const post = (url: string, token?: string) =>
  call(`${url}/reload_token`, { ...(token !== undefined && bearer(token)), method: 'POST', body: '' });

/** A port on which nothing listens. */
async function deadUrl(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 1}`;
}

describe.each(guardSubjects)('$name', (subject) => {
  const stage = new Stage(subject);

  async function started() {
    const pair = freshPair();
    stage.write(pair.hash);
    const server = await stage.start();
    return { ...pair, server, url: server.url };
  }

  const login = (url: string, password: string) =>
    call(`${url}/login`, form({ username: 'admin', password }));

  it('says to everyone that it is well, and to whom it knows what it is', async () => {
    const { url, hash, password } = await started();
    const anyone = await call(`${url}/healthz`);
    expect([anyone.status, JSON.parse(anyone.body)]).toEqual([200, { status: 'ok' }]);
    const stranger = await call(`${url}/healthz`, bearer(freshPair().hash));
    expect([stranger.status, JSON.parse(stranger.body)]).toEqual([200, { status: 'ok' }]);
    const head = await call(`${url}/healthz`, { method: 'HEAD' });
    expect([head.status, head.body]).toEqual([200, '']);

    const details = {
      status: 'ok',
      guard: { version: expect.stringMatching(/^\d+\.\d+\.\d+$/), reload: true },
      credential: named(hash),
    };
    expect(JSON.parse((await call(`${url}/healthz`, bearer(hash))).body)).toEqual(details);
    const { cookie = '' } = await login(url, password);
    expect(JSON.parse((await call(`${url}/healthz`, { headers: { cookie } })).body)).toEqual(details);
    expect(await statusOf(`${url}/api/healthz`)).toBe(401);
  });

  it.each([
    ['/healthz', 'POST', 'GET, HEAD'],
    ['/reload_token', 'GET', 'POST'],
  ])('answers %s by no other method: %s', async (path, method, allow) => {
    const { url, hash } = await started();
    const answer = await call(url + path, { ...bearer(hash), method });
    expect([answer.status, answer.headers.allow]).toEqual([405, allow]);
  });

  it('is known to the probe by what it says', async () => {
    const { url, hash } = await started();
    const version = expect.stringMatching(/^\d+\.\d+\.\d+$/);
    expect(await asked(url, hash)).toEqual({
      guard: 'present',
      version,
      reload: true,
      credential: named(hash),
    });
    expect(await asked(url, freshPair().hash)).toEqual({ guard: 'unknown', answers: true });
    expect(await asked(url, 'no\nheader')).toEqual({ guard: 'unknown', answers: true });
  });

  it('reloads for nobody whom neither the server nor PASSWORD knows', async () => {
    const { url, hash } = await started();
    for (const answer of [await post(url), await post(url, freshPair().hash)]) {
      expect(answer.status).toBe(401);
      expect(answer.headers['www-authenticate']).toMatch(/^Bearer\b/);
    }
    expect(await reloaded(url, freshPair().hash)).toEqual({ result: 'refused', code: 'unauthorized' });
    expect(await statusWith(`${url}/queue`, hash)).toBe(200);
  });

  it('says so where PASSWORD holds what is live already, and ends no session', async () => {
    const { url, hash, password } = await started();
    const { cookie = '' } = await login(url, password);
    const answer = await post(url, hash);
    expect([answer.status, JSON.parse(answer.body)]).toEqual([
      200,
      { reloaded: false, credential: named(hash) },
    ]);
    expect(await reloaded(url, hash)).toEqual({ result: 'unchanged', credential: named(hash) });
    expect((await call(`${url}/queue`, { headers: { cookie } })).status).toBe(200);
  });

  it.each(['the live one', 'that of PASSWORD', 'the password'])(
    'takes the bearer of PASSWORD, asked with %s: the old one opens nothing more',
    async (how) => {
      const { url, hash, password } = await started();
      const { cookie = '' } = await login(url, password);
      const next = freshPair();
      stage.write(next.hash, '\nadmin\n');
      const token = { 'the live one': hash, 'that of PASSWORD': next.hash }[how] ?? password;
      const answer = await post(url, token);
      expect([answer.status, JSON.parse(answer.body)]).toEqual([
        200,
        { reloaded: true, credential: named(next.hash), sessions: 'ended', graceSeconds: 0 },
      ]);
      expect(await statusWith(`${url}/queue`, hash)).toBe(401);
      expect(await statusOf(`${url}/queue?token=${encodeURIComponent(hash)}`)).toBe(401);
      expect(await statusWith(`${url}/queue`, next.hash)).toBe(200);
      expect((await call(`${url}/queue`, { headers: { cookie } })).status).toBe(401);
      expect((await login(url, password)).location).toBe('/login?wrong_password=1');
      const again = await login(url, next.password);
      expect(again.location).toBe('/');
      const headers = { cookie: again.cookie ?? '' };
      expect((await call(`${url}/queue`, { headers })).status).toBe(200);
    },
  );

  it('takes another user name for the same bearer', async () => {
    const { url, hash } = await started();
    stage.write(hash, '\nsomebody');
    expect(await reloaded(url, hash)).toMatchObject({ result: 'reloaded', credential: named(hash) });
    expect(await reloaded(url, hash)).toEqual({ result: 'unchanged', credential: named(hash) });
    expect((await call(`${url}/login`)).body).toContain('somebody');
  });

  it('writes the new key of the sessions for itself alone, so that a restart ends none', async () => {
    const { url, hash } = await started();
    const before = readFileSync(stage.keyPath, 'utf8');
    stage.write(freshPair().hash);
    expect(await reloaded(url, hash)).toMatchObject({ result: 'reloaded', sessions: 'ended' });
    expect(readFileSync(stage.keyPath, 'utf8')).not.toBe(before);
    expect(readFileSync(stage.keyPath, 'utf8')).toMatch(
      /^[\w-]{43}=,\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?$/,
    );
    expect(statSync(stage.keyPath).mode & 0o777).toBe(0o600);
  });

  it('does at SIGHUP what it does at a request', async () => {
    const { url, hash, server } = await started();
    const next = freshPair();
    stage.write(next.hash);
    server.hangUp();
    await vi.waitFor(async () => expect(await statusWith(`${url}/queue`, next.hash)).toBe(200));
    expect(await statusWith(`${url}/queue`, hash)).toBe(401);
  });

  it.each([
    ['no hash', () => 'no-hash\nadmin'],
    ['a hash that is cut', () => `${freshPair().hash.slice(0, 59)}\nadmin`],
    ['no user name', () => freshPair().hash],
    ['an empty user name', () => `${freshPair().hash}\n`],
    ['CRLF', () => `${freshPair().hash}\r\nadmin`],
    ['a BOM', () => `\uFEFF${freshPair().hash}\nadmin`],
    ['a third line', () => `${freshPair().hash}\nadmin\nmore`],
  ])('keeps what it has where PASSWORD holds %s', async (_, content) => {
    const { url, hash } = await started();
    const key = readFileSync(stage.keyPath, 'utf8');
    stage.write(content(), '');
    const answer = await post(url, hash);
    expect([answer.status, JSON.parse(answer.body)]).toEqual([
      409,
      { code: 'password-invalid', error: expect.any(String) },
    ]);
    expect(await reloaded(url, hash)).toEqual({ result: 'refused', code: 'password-invalid' });
    expect(await statusWith(`${url}/queue`, hash)).toBe(200);
    expect(readFileSync(stage.keyPath, 'utf8')).toBe(key);
  });

  it.each([
    ['deleted', 'password-missing', () => rmSync(stage.passwordPath)],
    ['emptied', 'password-empty', () => writeFileSync(stage.passwordPath, '')],
  ])('lets nobody in while PASSWORD is %s, and takes no first visitor', async (_, closed, damage) => {
    const { url, hash } = await started();
    const before = readFileSync(stage.passwordPath);
    damage();
    const open = { timeout: 5_000 };
    await vi.waitFor(async () => expect(await statusOf(`${url}/healthz`)).toBe(503), open);
    expect(JSON.parse((await call(`${url}/healthz`)).body)).toEqual({ status: 'closed' });
    for (const path of ['/queue', '/', '/login', '/queue?token=', '/object_info/x.js', '/reload_token']) {
      const answer = await call(url + path, bearer(hash));
      expect([path, answer.status]).toEqual([path, 503]);
      expect(JSON.parse(answer.body)).toEqual({ error: expect.any(String) });
    }
    expect((await login(url, 'taken-over')).status).toBe(503);
    const content = existsSync(stage.passwordPath) ? readFileSync(stage.passwordPath, 'utf8') : '';
    expect(content).toBe('');
    expect(await asked(url, hash)).toMatchObject({ guard: 'present', closed });
    expect(await reloaded(url, hash)).toEqual({ result: 'unknown' });

    writeFileSync(stage.passwordPath, before);
    await vi.waitFor(async () => expect(await statusWith(`${url}/queue`, hash)).toBe(200), open);
    expect(await statusOf(`${url}/healthz`)).toBe(200);
  });

  it('lets nobody in by how a path ends', async () => {
    const { url, hash, password } = await started();
    for (const name of ['x.js', 'x.css', 'x.css.map', 'x.ico', 'x%2Ejs']) {
      expect([name, await statusOf(`${url}/object_info/${name}`)]).toEqual([name, 401]);
      expect([name, await statusOf(`${url}/api/object_info/${name}`)]).toEqual([name, 401]);
      const stored = await call(`${url}/userdata/${name}`, { method: 'POST', body: 'mine' });
      expect([name, stored.status]).toEqual([name, 401]);
    }
    expect(await statusWith(`${url}/object_info/x.js`, hash)).toBe(200);
    const report = await prove({
      url,
      credential: { username: 'admin', bearer: new Secret(hash), password: new Secret(password) },
      rounds: 2,
      timeoutMs: 10_000,
      clock: systemClock,
    });
    expect([report.status, report.findings]).toEqual(['proved', []]);
  });

  it.each<[string, () => void]>([
    ['the login node is missing', () => rmSync(stage.keyPath.replace(/\/[^/]*$/, ''), { recursive: true })],
    ['its import fails', () => writeFileSync(stage.keyPath, '')],
    ['PASSWORD is missing', () => rmSync(stage.passwordPath)],
    ['PASSWORD is no hash', () => stage.write('plain-text')],
    ['PASSWORD has no user name', () => stage.write(freshPair().hash, '')],
  ])('does not let ComfyUI listen where %s', async (_, damage) => {
    stage.write(freshPair().hash);
    damage();
    await expect(stage.start()).rejects.toThrow(/comfyui-auth guard: .+\. Remedy: .+/);
  });
});

describe.each(subjects)('$name: no guard', (subject) => {
  const stage = new Stage(subject);

  it('is seen not to be there, by whom the login lets in and by whom it does not', async () => {
    const { hash } = freshPair();
    stage.write(hash);
    const { url } = await stage.start();
    expect(await asked(url, hash)).toEqual({ guard: 'absent' });
    expect(await asked(url, freshPair().hash)).toEqual({ guard: 'absent' });
    expect(await reloaded(url, hash)).toEqual({ result: 'absent' });
  });
});

describe('nobody', () => {
  it('leaves unknown whether the guard is there', async () => {
    const url = await deadUrl();
    expect(await asked(url, freshPair().hash)).toEqual({ guard: 'unknown' });
    expect(await reloaded(url, freshPair().hash)).toEqual({ result: 'unknown' });
  });
});
