import { describe, expect, test } from 'vitest';
import { cheapHash, freshSecret } from '../../process/deployment.ts';
import { ask, bearer, login, statusOf, withCookie } from './holes-client.ts';
import { eachLoginNode } from './holes-stage.ts';

const STATS = '/system_stats';
const NODES = ['comfyui-auth-guard', 'ComfyUI-Login', 'middle'];

/** A node with a middleware of its own, which marks what comes by, and one more that it adds when the server starts. */
const MIDDLE = `
from aiohttp import web
from server import PromptServer
NODE_CLASS_MAPPINGS = {}
def marks(name):
    @web.middleware
    async def mark(request, handler):
        try:
            response = await handler(request)
        except web.HTTPException as error:
            error.headers[name] = "yes"
            raise
        if not response.prepared:
            response.headers[name] = "yes"
        return response
    return mark
app = PromptServer.instance.app
app.middlewares.append(marks("X-Middle"))
async def late(app):
    app.middlewares.append(marks("X-Late"))
app.on_startup.append(late)
@PromptServer.instance.routes.get("/middle")
async def middle(request):
    return web.Response(text="middle")
`;

/** A node that has sessions of its own, with a cookie of its own. */
const OTHER_SESSIONS = `
import os
from aiohttp_session import setup
from aiohttp_session.cookie_storage import EncryptedCookieStorage
from server import PromptServer
NODE_CLASS_MAPPINGS = {}
setup(PromptServer.instance.app, EncryptedCookieStorage(os.urandom(32), cookie_name="OTHER"))
`;

/** All orders of some things. */
function orders<T>(things: readonly T[]): T[][] {
  if (things.length < 2) return [[...things]];
  return things.flatMap((first) =>
    orders(things.filter((it) => it !== first)).map((rest) => [first, ...rest]),
  );
}

// ComfyUI loads custom nodes in the order in which a folder names them, and that is none.
eachLoginNode((stage) => {
  describe('whatever the order in which the nodes are loaded', () => {
    test.each(orders(NODES))('%s, %s, %s', async (...names) => {
      const { rig } = stage;
      rig.node('middle', MIDDLE);
      const host = await stage.start({ env: { NODES_FIRST: names.join(',') } });
      const { url } = host;
      expect(host.stderr.match(/(?<=custom_nodes\/)\S+/g)).toEqual(expect.arrayContaining(NODES));

      expect((await ask(url + STATS, bearer(rig.hash))).headers).toMatchObject({
        'x-middle': 'yes',
        'x-late': 'yes',
      });
      for (const path of [STATS, '/middle', '/object_info/x.js', `${STATS}?token=`, '/internal/logs']) {
        expect([path, await statusOf(url + path)]).toEqual([path, 401]);
      }
      expect(await statusOf(`${url}/userdata/x.js`, { method: 'POST', body: 'x' })).toBe(401);
      expect(await statusOf(url + STATS, { headers: { authorization: 'Bearer' } })).toBe(401);
      expect(await statusOf(`${url}/assets/index.js`)).toBe(200);
      expect(await statusOf(url + STATS, bearer(rig.password))).toBe(200);
      stage.expectSilent((await ask(`${url}/internal/logs`, bearer(rig.hash))).body);

      const { cookie, setCookie } = await login(url, rig.password);
      expect(setCookie).toMatch(/SameSite=Lax/);
      expect((await ask(`${url}/middle`, withCookie(cookie))).body).toBe('middle');
      const next = cheapHash(freshSecret());
      rig.write(next);
      const reloaded = await ask(`${url}/reload_token`, bearer(rig.hash, { method: 'POST' }));
      expect(reloaded.json).toMatchObject({ reloaded: true, sessions: 'ended' });
      for (const asked of [bearer(rig.hash), bearer(rig.password), withCookie(cookie)]) {
        expect(await statusOf(url + STATS, asked)).toBe(401);
      }
      expect(await statusOf(url + STATS, bearer(next))).toBe(200);
    });
  });

  describe('beside a node with sessions of its own', () => {
    test.each(orders(['ComfyUI-Login', 'other_sessions.py']))('%s before %s', async (...names) => {
      const { rig } = stage;
      rig.node('other_sessions.py', OTHER_SESSIONS);
      const { url } = await stage.start({ env: { NODES_FIRST: names.join(',') } });
      const { cookie } = await login(url, rig.password);
      const next = cheapHash(freshSecret());
      rig.write(next);
      const reloaded = await ask(`${url}/reload_token`, bearer(rig.hash, { method: 'POST' }));
      // What is not as it should be is said; else nothing of the old one holds.
      expect([200, 501]).toContain(reloaded.status);
      if (reloaded.status === 501) return;
      expect(reloaded.json).toMatchObject({ reloaded: true, sessions: 'ended' });
      expect(await statusOf(url + STATS, withCookie(cookie))).toBe(401);
    });
  });
});
