import { describe, expect, test } from 'vitest';
import { freshSecret } from '../../process/deployment.ts';
import { type Asked, ask, bearer, form, login, statusOf } from './holes-client.ts';
import { eachLoginNode } from './holes-stage.ts';

const STATS = '/system_stats';
const ORIGIN = 'https://ui.example';

/** What a form looks like that sends the password as a file. */
function multipart(field: string): Asked {
  const body = `--b\r\nContent-Disposition: form-data; ${field}\r\n\r\n${freshSecret()}\r\n--b--\r\n`;
  return { method: 'POST', headers: { 'content-type': 'multipart/form-data; boundary=b' }, body };
}

// The rows of container.md §1 that are about what a request looks like.
eachLoginNode((stage) => {
  describe('F5 a malformed Authorization: 500', () => {
    const HEADERS: [string, (hash: string) => string][] = [
      ['no credential', () => 'Bearer'],
      ['three words', (hash) => `Bearer ${hash} x`],
      ['no scheme', (hash) => hash],
    ];

    test.each(HEADERS)('%s: 401 with the guard, and the challenge says what was wrong', async (_, header) => {
      const headers = { authorization: header(stage.rig.hash) };
      const bare = await stage.bare();
      expect(await statusOf(bare.url + STATS, { headers })).toBe(500);
      await bare.stop();
      const { url } = await stage.start();
      for (const path of [STATS, '/ws', '/no/such/path', '/metrics', '/reload_token']) {
        const method = path === '/reload_token' ? 'POST' : 'GET';
        const answer = await ask(url + path, { method, headers });
        expect([path, answer.status]).toEqual([path, 401]);
        expect(answer.headers['www-authenticate']).toMatch(/^Bearer .*error="invalid_request"/);
        expect(answer.json).toEqual({ error: expect.any(String) });
      }
      expect(await statusOf(`${url}/healthz`, { headers })).toBe(200);
    });

    test('with it, blanks around two words are none, and another scheme is a refusal like any', async () => {
      const { url } = await stage.start();
      const spaced = { headers: { authorization: `Bearer  \t${stage.rig.hash}` } };
      expect(await statusOf(url + STATS, spaced)).toBe(200);
      const answer = await ask(url + STATS, { headers: { authorization: 'Basic eDp5' } });
      expect([answer.status, answer.json]).toEqual([401, { error: 'Authentication required.' }]);
      expect(answer.headers['www-authenticate']).toMatch(/^Bearer (?!.*error)/);
      const page = await ask(url + STATS, { headers: { accept: 'text/html,*/*' } });
      expect([page.status, page.location]).toEqual([302, '/login']);
    });
  });

  describe('F6 a login that is JSON, has no password or more than 72 bytes of it: 500', () => {
    const json = {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"password":"x"}',
    };
    const wrong = { status: 302, location: '/login?wrong_password=1' };
    test.each<[string, Asked, { status: number; location?: string }]>([
      ['JSON', json, { status: 415 }],
      ['no body', { method: 'POST' }, { status: 415 }],
      ['no password field', form({ username: 'admin' }), { status: 400 }],
      ['the password as a file', multipart('name="password"; filename="x"'), { status: 400 }],
      ['73 bytes', form({ password: 'x'.repeat(73) }), wrong],
      ['25 characters of 3 bytes', form({ password: '登'.repeat(25) }), wrong],
    ])('%s: answered with the guard', async (_, asked, expected) => {
      const bare = await stage.bare();
      expect(await statusOf(`${bare.url}/login`, asked)).toBe(500);
      await bare.stop();
      const { url } = await stage.start();
      expect(await ask(`${url}/login`, asked)).toMatchObject({ ...expected, cookie: '' });
    });

    test('with it, a form is read as ever, urlencoded and multipart', async () => {
      const { url } = await stage.start();
      const { password } = stage.rig;
      expect((await login(url, password)).location).toBe('/');
      const other = multipart('name="password"');
      expect((await ask(`${url}/login`, other)).location).toBe('/login?wrong_password=1');
      const right = {
        ...other,
        body: String(other.body).replace(/\r\n\r\n.*\r\n--b/, `\r\n\r\n${password}\r\n--b`),
      };
      expect((await ask(`${url}/login`, right)).location).toBe('/');
    });
  });

  describe('F8 the comparison is not constant-time', () => {
    // A token that tells with what it is compared, and a compare_digest that tells how often it is used.
    const SPY = `
import hmac, sys
from aiohttp import web
from server import PromptServer
NODE_CLASS_MAPPINGS = {}
compared, digests, digest = [], [], hmac.compare_digest
class Spy(str):
    __hash__ = str.__hash__
    def __eq__(self, other):
        compared.append(str(other))
        return str.__eq__(self, other)
def compare_digest(one, other):
    digests.append(1)
    return digest(one, other)
hmac.compare_digest = compare_digest
@PromptServer.instance.routes.get("/spy")
async def spy(request):
    node = next(it for name, it in sys.modules.items() if name.endswith("ComfyUI-Login.password"))
    node.TOKEN = Spy(node.TOKEN)
    return web.json_response({"compared": compared, "digests": len(digests)})
`;

    test('with the guard no byte of what is sent is compared otherwise than by compare_digest', async () => {
      const { rig } = stage;
      rig.node('a_spy.py', SPY);
      const wrong = `${rig.hash.slice(0, -1)}!`;
      const ways: [string, Asked][] = [
        [STATS, bearer(wrong)],
        [`${STATS}?token=${encodeURIComponent(wrong)}`, {}],
      ];
      const look = async (guard: boolean) => {
        const { url, stop } = await rig.start({ guard, env: { NODES_FIRST: 'a_spy.py' } }).then((host) => ({
          url: host.url,
          stop: () => host.stop(),
        }));
        const before = (await ask(`${url}/spy`, bearer(rig.hash))).json;
        for (const [path, asked] of ways)
          expect(await statusOf(url + path, asked)).toBe(guard ? 401 : stage.nodeRefuses);
        const { compared, digests } = (await ask(`${url}/spy`, bearer(rig.hash))).json;
        await stop();
        return { seen: compared.includes(wrong), digests: digests - before.digests };
      };
      expect(await look(false)).toEqual({ seen: true, digests: 0 });
      const guarded = await look(true);
      expect(guarded.seen).toBe(false);
      expect(guarded.digests).toBeGreaterThanOrEqual(ways.length);
    });
  });

  describe('F15 bearer and `?token=` depend on the origin where --enable-cors-header names one', () => {
    test.each([false, true])(
      'whoever sends that origin is let in, and nobody else: with the guard %s',
      async (guard) => {
        const { hash } = stage.rig;
        const { url } = await stage.rig.start({ guard, args: ['--enable-cors-header', ORIGIN] });
        const token = `${STATS}?token=${encodeURIComponent(hash)}`;
        for (const origin of [ORIGIN, 'https://other.example', undefined]) {
          const status = origin === ORIGIN ? 200 : stage.nodeRefuses;
          const headers = origin === undefined ? {} : { origin };
          expect(await statusOf(url + STATS, bearer(hash, { headers }))).toBe(status);
          expect(await statusOf(url + token, { headers })).toBe(status);
        }
      },
    );
  });
});
