import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { cheapHash, freshSecret } from '../../process/deployment.ts';
import { type Asked, ask, bearer, login, statusOf, withCookie } from './holes-client.ts';
import { eachLoginNode, fingerprint } from './holes-stage.ts';

const STATS = '/system_stats';
const post = { method: 'POST' };

function fresh(): { hash: string; password: string } {
  const password = freshSecret();
  return { password, hash: cheapHash(password) };
}

eachLoginNode((stage) => {
  /** The statuses that a credential gets as a bearer: its hash, and its password. */
  const held = async (url: string, { hash, password }: { hash: string; password: string }) => [
    await statusOf(url + STATS, bearer(hash)),
    await statusOf(url + STATS, bearer(password)),
  ];

  describe('POST /reload_token', () => {
    test('takes what PASSWORD holds; nothing of the old one holds any longer', async () => {
      const { rig } = stage;
      const host = await stage.start();
      const { url } = host;
      expect(await held(url, rig)).toEqual([200, 200]);
      const next = fresh();
      rig.write(next.hash);
      const answer = await ask(`${url}/reload_token`, bearer(rig.hash, post));
      const credential = fingerprint(next.hash);
      expect(answer.json).toEqual({ reloaded: true, credential, sessions: 'ended', graceSeconds: 0 });
      expect(await held(url, next)).toEqual([200, 200]);
      expect(await held(url, rig)).toEqual([401, 401]);
      expect(await statusOf(`${url}${STATS}?token=${encodeURIComponent(rig.hash)}`)).toBe(401);
      expect(await statusOf(`${url}${STATS}?token=${encodeURIComponent(next.hash)}`)).toBe(200);
      expect((await login(url, rig.password)).location).toBe('/login?wrong_password=1');
      const { cookie } = await login(url, next.password);
      expect(await statusOf(url + STATS, withCookie(cookie))).toBe(200);
      expect((await ask(`${url}/healthz`, bearer(next.hash))).json.credential).toBe(credential);
      const told = host.events.filter(({ event }) => ['reload', 'rotation'].includes(event));
      expect(told).toEqual([
        expect.objectContaining({ event: 'rotation', credential, sessions: 'ended', graceSeconds: 0 }),
        expect.objectContaining({ event: 'reload', trigger: 'request', result: 'reloaded' }),
      ]);
    });

    test('says so where PASSWORD holds the live one, and ends no session', async () => {
      const { rig } = stage;
      const { url } = await stage.start();
      const { cookie } = await login(url, rig.password);
      const answer = await ask(`${url}/reload_token`, bearer(rig.hash, post));
      expect([answer.status, answer.json]).toEqual([
        200,
        { reloaded: false, credential: fingerprint(rig.hash) },
      ]);
      expect(await statusOf(url + STATS, withCookie(cookie))).toBe(200);
    });

    test('is for whoever has a credential: the live one, or the one that PASSWORD holds by now', async () => {
      const { rig } = stage;
      const { url } = await stage.start();
      const { cookie } = await login(url, rig.password);
      const session: Asked = withCookie(cookie, post);
      const asOld: (Asked | undefined)[] = [session, bearer(rig.hash, post), bearer(rig.password, post)];
      for (const asked of asOld) expect((await ask(`${url}/reload_token`, asked)).status).toBe(200);
      const next = fresh();
      rig.write(next.hash);
      for (const asked of [post, bearer(fresh().hash, post), withCookie('AIOHTTP_SESSION=x', post)]) {
        expect(await statusOf(`${url}/reload_token`, asked)).toBe(401);
      }
      expect(await held(url, rig)).toEqual([200, 200]);
      expect((await ask(`${url}/reload_token`, bearer(next.hash, post))).json).toMatchObject({
        reloaded: true,
      });
      expect(await held(url, next)).toEqual([200, 200]);
    });

    test('is no GET, and has no twin below /api', async () => {
      const { hash } = stage.rig;
      const { url } = await stage.start();
      const answer = await ask(`${url}/reload_token`, bearer(hash));
      expect([answer.status, answer.headers.allow]).toEqual([405, 'POST']);
      expect(await statusOf(`${url}/api/reload_token`, bearer(hash, post))).toBe(405);
      expect(await statusOf(`${url}/api/healthz`)).toBe(401);
    });

    test.each<[string, (hash: string) => string]>([
      ['no hash', () => 'password\nadmin'],
      ['half a hash', (hash) => `${hash.slice(0, 40)}\nadmin`],
      ['a cost that no bcrypt takes', (hash) => `${hash.replace('$04$', '$99$')}\nadmin`],
      ['no user name', (hash) => hash],
      ['4 KB too much', (hash) => `${hash}\n${'x'.repeat(5000)}`],
    ])('refuses %s, and everything stays as it was', async (_, content) => {
      const { rig } = stage;
      const host = await stage.start();
      const { url } = host;
      const { cookie } = await login(url, rig.password);
      const key = readFileSync(rig.keyPath);
      const next = fresh();
      rig.write(content(next.hash), '');
      const answer = await ask(`${url}/reload_token`, bearer(rig.hash, post));
      expect([answer.status, answer.json]).toEqual([
        409,
        { code: 'password-invalid', error: expect.any(String) },
      ]);
      expect(await host.told('reload')).toMatchObject({ result: 'refused', reason: answer.json.error });
      expect(await held(url, rig)).toEqual([200, 200]);
      expect(await held(url, next)).toEqual([401, 401]);
      expect(await statusOf(url + STATS, withCookie(cookie))).toBe(200);
      expect(readFileSync(rig.keyPath)).toEqual(key);
    });
  });

  describe('SIGHUP', () => {
    test('reloads as well', async () => {
      const { rig } = stage;
      const host = await stage.start();
      const next = fresh();
      rig.write(next.hash);
      host.signal('SIGHUP');
      expect(await host.told('reload')).toMatchObject({ trigger: 'signal', result: 'reloaded' });
      expect(await held(host.url, rig)).toEqual([401, 401]);
      expect(await held(host.url, next)).toEqual([200, 200]);
    });

    test('ends nothing where there is nothing to take', async () => {
      const { rig } = stage;
      const host = await stage.start();
      host.signal('SIGHUP');
      expect(await host.told('reload')).toMatchObject({ trigger: 'signal', result: 'unchanged' });
      const so = host.events.length;
      rmSync(rig.passwordPath);
      host.signal('SIGHUP');
      expect(await host.told('reload', so)).toMatchObject({ trigger: 'signal', result: 'refused' });
      rig.write(rig.hash);
      expect(await held(host.url, rig)).toEqual([200, 200]);
    });
  });

  describe('RELOAD_GRACE', () => {
    test('both hold for its time, then the new one alone', async () => {
      const { rig } = stage;
      const { url } = await stage.start({ env: { RELOAD_GRACE: '2s' } });
      expect(await held(url, rig)).toEqual([200, 200]);
      const { cookie } = await login(url, rig.password);
      const next = fresh();
      rig.write(next.hash);
      const answer = await ask(`${url}/reload_token`, bearer(rig.hash, post));
      expect(answer.json).toMatchObject({ reloaded: true, sessions: 'ended', graceSeconds: 2 });
      expect(await held(url, rig)).toEqual([200, 200]);
      expect(await statusOf(`${url}${STATS}?token=${encodeURIComponent(rig.hash)}`)).toBe(200);
      expect(await held(url, next)).toEqual([200, 200]);
      expect(await statusOf(url + STATS, withCookie(cookie))).toBe(401);
      expect((await login(url, rig.password)).location).toBe('/login?wrong_password=1');
      expect((await ask(`${url}/metrics`, bearer(next.hash))).body).toMatch(/verdict="grace"} [1-9]/);
      await expect.poll(() => statusOf(url + STATS, bearer(rig.hash)), { timeout: 10_000 }).toBe(401);
      expect(await statusOf(url + STATS, bearer(rig.password))).toBe(401);
      expect(await held(url, next)).toEqual([200, 200]);
    });
  });

  test('a key that cannot be written: the sessions end all the same, and that is said', async () => {
    const { rig } = stage;
    const host = await stage.start();
    const { cookie } = await login(host.url, rig.password);
    rmSync(rig.keyPath);
    mkdirSync(rig.keyPath);
    const next = fresh();
    rig.write(next.hash);
    const answer = await ask(`${host.url}/reload_token`, bearer(rig.hash, post));
    expect(answer.json).toMatchObject({ reloaded: true, sessions: 'ended' });
    expect(await host.told('session-key-not-written')).toMatchObject({ reason: expect.any(String) });
    expect(await statusOf(host.url + STATS, withCookie(cookie))).toBe(401);
    expect(readdirSync(rig.loginFolder).filter((name) => /^\.secret-key\..*(?<!txt)$/.test(name))).toEqual(
      [],
    );
  });
});
