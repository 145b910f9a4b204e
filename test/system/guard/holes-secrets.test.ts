import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { cheapHash, freshSecret } from '../../process/deployment.ts';
import { type Answer, ask, bearer, form, login, statusOf, withCookie } from './holes-client.ts';
import { eachLoginNode, type HolesStage } from './holes-stage.ts';

const STATS = '/system_stats';
const LOGS = ['/internal/logs', '/internal/logs/raw'];
const modeOf = (path: string) => (statSync(path).mode & 0o777).toString(8);

/** Another credential in PASSWORD, and its reload; the old bearer asks for it. */
async function rotate(
  stage: HolesStage,
  url: string,
): Promise<{ hash: string; password: string; answer: Answer }> {
  const { rig } = stage;
  const password = freshSecret();
  const hash = cheapHash(password);
  rig.write(hash);
  const answer = await ask(`${url}/reload_token`, bearer(rig.hash, { method: 'POST' }));
  return { hash, password, answer };
}

// The rows of container.md §1 that are about what must not be known, or not for longer.
eachLoginNode((stage) => {
  describe('F7 the token stands in the output and in /internal/logs, which every session can read', () => {
    // A node that says what it is asked to, by each of the ways.
    const PARROT = `
import logging, sys
from aiohttp import web
from server import PromptServer
NODE_CLASS_MAPPINGS = {}
@PromptServer.instance.routes.post("/say")
async def say(request):
    text = await request.text()
    print("printed", text, flush=True)
    sys.stderr.write("written " + text + "\\n")
    sys.stderr.flush()
    logging.info("logged %s", text)
    sys.stdout.writelines(["line ", text, "\\n"])
    sys.stdout.flush()
    return web.Response()
`;

    test('without the guard', async () => {
      const { rig } = stage;
      const host = await stage.bare();
      expect(host.output).toContain(rig.hash);
      const { cookie } = await login(host.url, rig.password);
      for (const path of LOGS)
        expect((await ask(host.url + path, withCookie(cookie))).body).toContain(rig.hash);
    });

    test('with it, neither the ring nor what is said later holds a hash', async () => {
      const { rig } = stage;
      rig.node('parrot.py', PARROT);
      const host = await stage.start({ env: { NODES_FIRST: 'comfyui-auth-guard' } });
      const said = [
        rig.hash,
        cheapHash(freshSecret()).replace('$2b$', '$2a$'),
        cheapHash('x').replace('$2b$', '$2y$'),
      ];
      for (const text of said)
        await ask(`${host.url}/say`, bearer(rig.hash, { method: 'POST', body: `<${text}>` }));
      const { cookie } = await login(host.url, rig.password);
      for (const path of LOGS) {
        const { status, body } = await ask(host.url + path, withCookie(cookie));
        expect(status).toBe(200);
        expect(body).toContain('For direct API calls, use token=');
        expect(body).toContain('logged <');
        stage.expectSilent(body);
      }
      for (const way of ['printed <', 'written <', 'logged <', 'line <']) expect(host.output).toContain(way);
      stage.expectSilent(host.output);
    });

    test('with it, loaded after the login node, the ring holds none either', async () => {
      const { rig } = stage;
      const { url } = await stage.start({ env: { NODES_FIRST: 'ComfyUI-Login' } });
      for (const path of LOGS) {
        const { body } = await ask(url + path, bearer(rig.hash));
        expect(body).toContain('use token=');
        stage.expectSilent(body);
      }
    });
  });

  describe('F11 sessions survive a rotation and a restart', () => {
    test('without the guard', async () => {
      const { rig } = stage;
      const host = await stage.bare();
      const { cookie } = await login(host.url, rig.password);
      rig.write(cheapHash(freshSecret()));
      await host.stop();
      const next = await stage.bare();
      expect(await statusOf(next.url + STATS, withCookie(cookie))).toBe(200);
    });

    test('with it, a reload ends them at once and for good, and new ones begin', async () => {
      const { rig } = stage;
      const host = await stage.start();
      const { cookie } = await login(host.url, rig.password);
      expect(await statusOf(host.url + STATS, withCookie(cookie))).toBe(200);
      const { password, answer } = await rotate(stage, host.url);
      expect([answer.status, answer.json]).toEqual([
        200,
        {
          reloaded: true,
          credential: expect.stringMatching(/^[0-9a-f]{8}$/),
          sessions: 'ended',
          graceSeconds: 0,
        },
      ]);
      expect(await statusOf(host.url + STATS, withCookie(cookie))).toBe(401);
      const fresh = await login(host.url, password);
      expect(await statusOf(host.url + STATS, withCookie(fresh.cookie))).toBe(200);
      await host.stop();
      const next = await stage.start();
      expect(await statusOf(next.url + STATS, withCookie(cookie))).toBe(401);
      expect(await statusOf(next.url + STATS, withCookie(fresh.cookie))).toBe(200);
    });

    test('with it, and KEEP_SESSIONS, they go on', async () => {
      const { rig } = stage;
      const { url } = await stage.start({ env: { KEEP_SESSIONS: 'on' } });
      const { cookie } = await login(url, rig.password);
      const { answer } = await rotate(stage, url);
      expect(answer.json).toMatchObject({ reloaded: true, sessions: 'kept' });
      expect(await statusOf(url + STATS, withCookie(cookie))).toBe(200);
      expect(await statusOf(url + STATS, bearer(rig.hash))).toBe(401);
    });

    test('with it, a request that was under way cannot bring an old session over', async () => {
      const { rig } = stage;
      const { url } = await stage.start();
      const { cookie } = await login(url, rig.password);
      await rotate(stage, url);
      const answer = await ask(`${url}/logout`, withCookie(cookie));
      expect(await statusOf(url + STATS, withCookie(answer.cookie || cookie))).toBe(401);
    });
  });

  describe('F12 the session key may be read by all: whoever reads it makes sessions', () => {
    test('without the guard it is 0644', async () => {
      await stage.bare();
      expect(modeOf(stage.rig.keyPath)).toBe('644');
    });

    test('with it, the one that a reload writes is 0600, and no session of the one before holds', async () => {
      const { rig } = stage;
      const host = await stage.start();
      const before = readFileSync(rig.keyPath, 'utf8');
      await rotate(stage, host.url);
      const after = readFileSync(rig.keyPath, 'utf8');
      expect(modeOf(rig.keyPath)).toBe('600');
      expect(after).toMatch(/^[A-Za-z0-9_-]{43}=,\d{4}-\d\d-\d\dT[\d:.]+$/);
      expect(after.split(',')[0]).not.toBe(before.split(',')[0]);
      await host.stop();
      await stage.start();
      expect(readFileSync(rig.keyPath, 'utf8')).toBe(after);
      expect(modeOf(rig.keyPath)).toBe('600');
    });
  });

  describe('F13 guests may read /internal/logs, and so the token', () => {
    const asGuest = (url: string) => ask(`${url}/login`, form({ guest_mode: '1', password: '' }));

    test.skipIf(stage.login.older)('without the guard', async () => {
      writeFileSync(stage.rig.guestPath, '');
      const { url } = await stage.bare();
      const { cookie } = await asGuest(url);
      for (const path of LOGS)
        expect((await ask(url + path, withCookie(cookie))).body).toContain(stage.rig.hash);
    });

    test.skipIf(stage.login.older)(
      'with it, a guest where guests are asked for sees the server, and no logs',
      async () => {
        writeFileSync(stage.rig.guestPath, '');
        const { url } = await stage.start({ env: { GUEST_MODE_ENABLED: 'yes' } });
        const { cookie, location } = await asGuest(url);
        expect(location).toBe('/');
        const guest = withCookie(cookie);
        expect(await statusOf(url + STATS, guest)).toBe(200);
        for (const path of [...LOGS, '/internal/%6cogs', '/internal/logs/', '/internal/logs?x=1']) {
          for (const method of ['GET', 'HEAD', 'PATCH']) {
            const { status, body } = await ask(url + path, { ...guest, method });
            expect([path, status >= 400]).toEqual([path, true]);
            expect(body).not.toContain('To see the GUI');
          }
        }
        expect((await ask(`${url}/healthz`, guest)).json).toEqual({ status: 'ok' });
        expect(await statusOf(`${url}/metrics`, guest)).toBe(403);
        expect(await statusOf(`${url}/reload_token`, { ...guest, method: 'POST' })).toBe(403);
      },
    );

    test.each<[string, boolean, Record<string, string>]>([
      ['guests whom nobody asked for', true, {}],
      ['guests who are refused in words', true, { GUEST_MODE_ENABLED: 'off' }],
      ['guests who are asked for, and no file', false, { GUEST_MODE_ENABLED: 'true' }],
    ])('with it, %s: not started', async (_, file, env) => {
      if (file) writeFileSync(stage.rig.guestPath, '');
      await stage.refused({ env });
    });

    test('with it, a file that comes later lets no guest in', async () => {
      const { url } = await stage.start();
      writeFileSync(stage.rig.guestPath, '');
      const answer = await asGuest(url);
      expect(answer.location).not.toBe('/');
      expect(await statusOf(url + STATS, withCookie(answer.cookie))).toBe(401);
    });
  });
});
