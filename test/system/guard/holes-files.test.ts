import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ask, bearer, form, statusOf, withCookie } from './holes-client.ts';
import { eachLoginNode } from './holes-stage.ts';

// The row of container.md §1 that is about the names of files.
eachLoginNode((stage) => {
  describe('F10 what ends in .js .css .css.map .ico needs no login, and a user’s file may have any name', () => {
    const userdata = (name: string) => join(stage.rig.folder, 'user', 'default', name);
    const lay = (name: string, content: string) => {
      mkdirSync(userdata('.'), { recursive: true });
      writeFileSync(userdata(name), content);
    };
    const SUFFIXES = ['.js', '.css', '.css.map', '.ico'];
    const below = (path: string) => [path, `/api${path}`];
    const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'PROPFIND'];
    const MOVED = '/userdata/secret.json/move/secret.js';

    test('without the guard anybody writes, reads and deletes', async () => {
      const skipped = stage.login.older ? ['.js', '.css'] : SUFFIXES;
      lay('secret.json', 'mine');
      const { url } = await stage.bare();
      for (const suffix of skipped) {
        for (const path of below(`/userdata/x${suffix}`)) {
          expect(await statusOf(url + path, { method: 'POST', body: 'theirs' })).toBe(200);
          expect(readFileSync(userdata(`x${suffix}`), 'utf8')).toBe('theirs');
          expect((await ask(url + path)).body).toBe('theirs');
          expect(await statusOf(url + path, { method: 'DELETE' })).toBe(204);
        }
      }
      expect(await statusOf(url + MOVED, { method: 'POST' })).toBe(200);
      expect((await ask(`${url}/userdata/secret.js`)).body).toBe('mine');
      expect((await ask(`${url}/object_info/x.js`)).json).toEqual({});
    });

    test('with it, nobody gets at what is no file of the pages, by any method', async () => {
      const { url } = await stage.start();
      for (const suffix of SUFFIXES) {
        lay(`here${suffix}`, 'mine');
        const names = [`here${suffix}`, `here${suffix.replace('.', '%2e')}`];
        const paths = [...names.map((name) => `/userdata/${name}`), `/object_info/x${suffix}`].flatMap(below);
        const asked = paths.flatMap((path) => METHODS.map((method) => ({ path, method })));
        for (const { path, method } of asked) {
          expect([method, path, await statusOf(url + path, { method })]).toEqual([method, path, 401]);
        }
        expect(readFileSync(userdata(`here${suffix}`), 'utf8')).toBe('mine');
      }
    });

    test('with it, nobody writes or moves a user’s file, but who has a credential', async () => {
      lay('secret.json', 'mine');
      const { url } = await stage.start();
      const asked = { method: 'POST', body: 'theirs' };
      for (const path of below(MOVED)) expect(await statusOf(url + path, asked)).toBe(401);
      for (const path of below('/userdata/x.js')) expect(await statusOf(url + path, asked)).toBe(401);
      expect(readdirSync(userdata('.'))).toEqual(['secret.json']);
      expect(await statusOf(url + MOVED, bearer(stage.rig.hash, { method: 'POST' }))).toBe(200);
      expect(await statusOf(`${url}/userdata/x.js`, bearer(stage.rig.hash, asked))).toBe(200);
      expect(readdirSync(userdata('.')).sort()).toEqual(['secret.js', 'x.js']);
    });

    test.skipIf(stage.login.older)('with it, a guest changes no file, whatever its name', async () => {
      writeFileSync(stage.rig.guestPath, '');
      lay('here.js', 'mine');
      const { url } = await stage.start({ env: { GUEST_MODE_ENABLED: 'on' } });
      const { cookie } = await ask(`${url}/login`, form({ guest_mode: '1', password: '' }));
      expect(await statusOf(`${url}/system_stats`, withCookie(cookie))).toBe(200);
      const changes = ['/userdata/here.js', '/userdata/new.css', '/userdata/here.js/move/there.js'].flatMap(
        below,
      );
      for (const path of changes) {
        for (const method of ['POST', 'PUT', 'DELETE']) {
          const status = await statusOf(url + path, withCookie(cookie, { method, body: 'theirs' }));
          expect([method, path, status]).toEqual([method, path, 403]);
        }
      }
      expect(readdirSync(userdata('.'))).toEqual(['here.js']);
      expect(readFileSync(userdata('here.js'), 'utf8')).toBe('mine');
    });

    test('with it, a browser still gets the files of the pages before it has logged in', async () => {
      const { url } = await stage.start();
      for (const path of [
        '/assets/index.js',
        '/assets/index.css',
        ...(stage.login.older ? [] : ['/old_css/style.css']),
      ]) {
        for (const method of ['GET', 'HEAD'])
          expect([path, await statusOf(url + path, { method })]).toEqual([path, 200]);
        expect(await statusOf(url + path, { method: 'POST' })).toBe(401);
      }
      expect(await statusOf(`${url}/assets/../index.html`)).toBe(401);
      expect(await statusOf(`${url}/missing.js`)).toBe(404);
      expect(await statusOf(`${url}/internal/logs.js`)).toBe(401);
    });
  });
});
