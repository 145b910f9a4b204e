import { existsSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { cheapHash, freshSecret } from '../../process/deployment.ts';
import { ask, bearer, form, login, statusOf, withCookie } from './holes-client.ts';
import { eachLoginNode } from './holes-stage.ts';

const STATS = '/system_stats';
/** A first visitor, who sets what password he likes. */
const visitor = { username: 'visitor', password: freshSecret() };

// The rows of container.md §1 that are about what PASSWORD holds: first the hole, then what closes it.
eachLoginNode((stage) => {
  describe('F1 PASSWORD is missing: the first visitor takes over, also when it is deleted while running', () => {
    test('without the guard, from the start', async () => {
      rmSync(stage.rig.passwordPath);
      const { url } = await stage.bare();
      const answer = await ask(`${url}/login`, form(visitor));
      expect([answer.status, answer.location]).toEqual([302, '/']);
      expect(await statusOf(url + STATS, withCookie(answer.cookie))).toBe(200);
    });

    test('without the guard, deleted while running', async () => {
      const { url } = await stage.bare();
      rmSync(stage.rig.passwordPath);
      const answer = await ask(`${url}/login`, form(visitor));
      expect(await statusOf(url + STATS, withCookie(answer.cookie))).toBe(200);
    });

    test('with it, from the start: no socket is opened', async () => {
      rmSync(stage.rig.passwordPath);
      await stage.refused();
    });

    test.each<[string, (path: string) => void]>([
      ['deleted', (path) => rmSync(path)],
      ['emptied', (path) => writeFileSync(path, '')],
    ])('with it, %s while running: 503 to everybody, until it is back', async (_, spoil) => {
      const { rig } = stage;
      const { url } = await stage.start();
      const { cookie } = await login(url, rig.password);
      spoil(rig.passwordPath);
      await expect.poll(() => statusOf(`${url}/healthz`)).toBe(503);
      expect((await ask(`${url}/healthz`)).json).toEqual({ status: 'closed' });
      const asked = [{}, bearer(rig.hash), bearer(rig.password), withCookie(cookie)];
      const paths = [
        '/',
        STATS,
        '/api/system_stats',
        '/login',
        '/assets/index.js',
        '/object_info/x.js',
        '/metrics',
      ];
      for (const path of [...paths, `${STATS}?token=`, `${STATS}?token=${encodeURIComponent(rig.hash)}`]) {
        for (const one of asked) expect([path, await statusOf(url + path, one)]).toEqual([path, 503]);
      }
      const answer = await ask(`${url}/login`, form(visitor));
      expect([answer.status, answer.json]).toEqual([503, { error: expect.any(String) }]);
      expect(existsSync(rig.passwordPath) ? statSync(rig.passwordPath).size : 0).toBe(0);
      rig.write(rig.hash);
      await expect.poll(() => statusOf(`${url}/healthz`)).toBe(200);
      expect(await statusOf(url + STATS, bearer(rig.hash))).toBe(200);
      expect(await statusOf(url + STATS, withCookie(cookie))).toBe(200);
    });

    test('with it, a knower of the credential is told why it is closed', async () => {
      const { rig } = stage;
      const { url } = await stage.start();
      rmSync(rig.passwordPath);
      await expect.poll(() => statusOf(`${url}/healthz`)).toBe(503);
      const { json } = await ask(`${url}/healthz`, bearer(rig.hash));
      expect(json).toMatchObject({ status: 'closed', reason: expect.any(String), guard: expect.any(Object) });
    });
  });

  describe('F2 `?token=` opens all while the token is empty', () => {
    test.each<[string, (path: string) => void]>([
      ['PASSWORD missing', (path) => rmSync(path)],
      ['PASSWORD empty', (path) => writeFileSync(path, '')],
      ['its first line empty', (path) => writeFileSync(path, '\nadmin')],
    ])('%s: open without the guard, and not started with it', async (_, spoil) => {
      spoil(stage.rig.passwordPath);
      const host = await stage.bare();
      expect(await statusOf(`${host.url}${STATS}?token=`)).toBe(200);
      await host.stop();
      await stage.refused();
    });

    test('with it, no token is an empty one', async () => {
      const { url } = await stage.start();
      for (const query of ['?token=', '?token', '?token=&token=']) {
        expect([query, await statusOf(url + STATS + query)]).toEqual([query, 401]);
      }
      expect(await statusOf(url + STATS, { headers: { authorization: 'Bearer ' } })).toBe(401);
    });
  });

  describe('F3 PASSWORD is missing, and a login without a user name leaves it empty: open, the owner locked out', () => {
    test('without the guard', async () => {
      const { rig } = stage;
      rmSync(rig.passwordPath);
      const { url } = await stage.bare();
      expect((await login(url, visitor.password)).status).toBe(500);
      expect(statSync(rig.passwordPath).size).toBe(0);
      expect(await statusOf(`${url}${STATS}?token=`)).toBe(200);
      expect((await login(url, visitor.password)).location).toBe('/login?wrong_password=1');
    });

    test('with it, nobody writes PASSWORD', async () => {
      const { rig } = stage;
      const { url } = await stage.start();
      rmSync(rig.passwordPath);
      expect((await login(url, visitor.password)).status).toBe(503);
      expect(existsSync(rig.passwordPath)).toBe(false);
    });
  });

  describe('F4 PASSWORD without a second line: a right login that names no user cuts it to nothing', () => {
    test.each(['', '\n', '\n \n'])(
      '%j after the hash: cut without the guard, and not started with it',
      async (rest) => {
        const { rig } = stage;
        rig.write(rig.hash, rest);
        const host = await stage.bare();
        expect((await login(host.url, rig.password)).status).toBe(500);
        expect(statSync(rig.passwordPath).size).toBeLessThan(rig.hash.length + 2);
        await host.stop();
        rig.write(rig.hash, rest);
        const before = readFileSync(rig.passwordPath);
        await stage.refused();
        expect(readFileSync(rig.passwordPath)).toEqual(before);
      },
    );

    test('with it, it takes no such PASSWORD later either, and a login leaves the file as it is', async () => {
      const { rig } = stage;
      const { url } = await stage.start();
      const next = freshSecret();
      rig.write(cheapHash(next), '');
      const answer = await ask(`${url}/reload_token`, bearer(rig.hash, { method: 'POST' }));
      expect([answer.status, answer.json.code]).toEqual([409, 'password-invalid']);
      const before = readFileSync(rig.passwordPath);
      expect((await login(url, rig.password)).location).toBe('/');
      expect((await login(url, next)).location).toBe('/login?wrong_password=1');
      expect(readFileSync(rig.passwordPath)).toEqual(before);
    });
  });

  describe('F16 whoever is logged in can disable the login node: the next start is open', () => {
    test.each<[string, (folder: string) => void, string[]?]>([
      ['renamed', (folder) => renameSync(folder, `${folder}.disabled`)],
      ['removed', (folder) => rmSync(folder, { recursive: true })],
      [
        'left out by an option',
        () => undefined,
        ['--disable-all-custom-nodes', '--whitelist-custom-nodes', 'comfyui-auth-guard'],
      ],
    ])('%s: open without the guard, and not started with it', async (_, disable, args = []) => {
      const host = await stage.bare();
      expect(await statusOf(host.url + STATS)).toBe(stage.nodeRefuses);
      await host.stop();
      disable(stage.rig.loginFolder);
      const next = await stage.bare({ args });
      expect(await statusOf(next.url + STATS)).toBe(200);
      await next.stop();
      await stage.refused({ args });
    });
  });

  describe('F17 bytes beside the hash: the bearer works, the form never does, or neither', () => {
    const FORMS: [name: string, bytes: (hash: string) => Buffer, bearer: boolean][] = [
      ['CRLF', (hash) => Buffer.from(`${hash}\r\nadmin\r\n`), true],
      ['a blank at the end', (hash) => Buffer.from(`${hash} \nadmin`), true],
      ['a tab at the end', (hash) => Buffer.from(`${hash}\t\nadmin`), true],
      ['a byte order mark', (hash) => Buffer.from(`\ufeff${hash}\nadmin`), false],
    ];

    test.each(FORMS)('%s: so without the guard, and not started with it', async (_, bytes, works) => {
      const { rig } = stage;
      writeFileSync(rig.passwordPath, bytes(rig.hash));
      const host = await stage.bare();
      expect(await statusOf(host.url + STATS, bearer(rig.hash))).toBe(works ? 200 : stage.nodeRefuses);
      expect((await login(host.url, rig.password)).location).not.toBe('/');
      await host.stop();
      await stage.refused();
    });

    test.each(FORMS)('%s: nor taken in while running', async (_, bytes) => {
      const { rig } = stage;
      const { url } = await stage.start();
      writeFileSync(rig.passwordPath, bytes(cheapHash(freshSecret())));
      const answer = await ask(`${url}/reload_token`, bearer(rig.hash, { method: 'POST' }));
      expect([answer.status, answer.json.code]).toEqual([409, 'password-invalid']);
      expect(await statusOf(url + STATS, bearer(rig.hash))).toBe(200);
      expect((await login(url, rig.password)).location).toBe('/');
    });

    test.each<[string, string]>([
      ['a third line', '\nadmin\nmore'],
      ['a blank around the user name', '\n admin'],
    ])('with the guard, %s: not started', async (_, rest) => {
      stage.rig.write(stage.rig.hash, rest);
      await stage.refused();
    });

    test('an old ComfyUI/PASSWORD replaces the new one: with such bytes, it is not started with the guard', async () => {
      const { rig } = stage;
      const old = cheapHash(freshSecret());
      writeFileSync(join(rig.folder, 'PASSWORD'), `${old}\r\nadmin`);
      const host = await stage.bare();
      expect(await statusOf(host.url + STATS, bearer(rig.hash))).toBe(stage.nodeRefuses);
      expect(await statusOf(host.url + STATS, bearer(old))).toBe(200);
      await host.stop();
      await stage.refused();
    });
  });
});
