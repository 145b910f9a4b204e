import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { cheapHash, freshSecret } from '../../process/deployment.ts';
import { certificate } from '../../process/scripted-servers-certificate.ts';
import { ask, bearer, login, statusOf, webSocket, withCookie } from './holes-client.ts';
import { eachLoginNode, fingerprint } from './holes-stage.ts';

const STATS = '/system_stats';
/** About a second: less is none. */
const ONE_SECOND_IN_HOURS = '0.0003';

// What the guard answers, and what its settings make of it.
eachLoginNode((stage) => {
  const asToken = (hash: string) => `token=${encodeURIComponent(hash)}`;

  describe('who is let in', () => {
    // A node that says with what header a request comes to it.
    const ECHO = `
from aiohttp import web
from server import PromptServer
NODE_CLASS_MAPPINGS = {}
@PromptServer.instance.routes.post("/echo")
async def echo(request):
    return web.json_response({"authorization": request.headers.getall("Authorization", []), "body": await request.text()})
`;

    test('the password as a bearer, which goes on as the hash; the body comes along', async () => {
      const { rig } = stage;
      rig.node('echo.py', ECHO);
      const { url } = await stage.start();
      for (const word of [rig.password, rig.hash]) {
        const { json } = await ask(`${url}/echo`, bearer(word, { method: 'POST', body: 'text' }));
        expect(json).toEqual({ authorization: [`Bearer ${rig.hash}`], body: 'text' });
      }
    });

    test('BEARER_PASSWORD=off: the bearer alone, and the form as ever', async () => {
      const { rig } = stage;
      const { url } = await stage.start({ env: { BEARER_PASSWORD: 'off' } });
      for (let time = 0; time < 5; time += 1) {
        expect(await statusOf(url + STATS, bearer(rig.password))).toBe(401);
      }
      expect((await login(url, rig.password)).location).toBe('/');
      expect(await statusOf(url + STATS, bearer(rig.password))).toBe(401);
      expect(await statusOf(url + STATS, bearer(rig.hash))).toBe(200);
    });

    test('QUERY_TOKEN=off: no ?token=', async () => {
      const { hash } = stage.rig;
      const { url } = await stage.start({ env: { QUERY_TOKEN: 'off' } });
      expect(await statusOf(`${url}${STATS}?${asToken(hash)}`)).toBe(401);
      expect(await statusOf(`${url}${STATS}?${asToken(hash)}`, bearer(hash))).toBe(200);
      const socket = await webSocket(`${url}/ws?${asToken(hash)}`);
      expect(socket.status).toBe(401);
    });

    test('a WebSocket by bearer, by password and by ?token=, and what happens is told on it', async () => {
      const { rig } = stage;
      const { url } = await stage.start();
      const byHeader = (word: string) => webSocket(`${url}/ws`, { authorization: `Bearer ${word}` });
      const ways = [byHeader(rig.hash), byHeader(rig.password), webSocket(`${url}/ws?${asToken(rig.hash)}`)];
      const sockets = await Promise.all(ways);
      for (const { status, first } of sockets) {
        expect(status).toBe(101);
        expect(JSON.parse(first ?? '')).toMatchObject({ type: 'status' });
      }
      const prompt = {
        method: 'POST',
        body: JSON.stringify({ prompt: { 1: { class_type: 'None', inputs: {} } } }),
      };
      expect(await statusOf(`${url}/prompt`, bearer(rig.hash, prompt))).toBe(200);
      for (const { next, close } of sockets) {
        expect(JSON.parse(await next())).toMatchObject({ type: 'status' });
        close();
      }
      for (const query of ['', '?token=', `?${asToken(cheapHash('x'))}`]) {
        expect((await webSocket(`${url}/ws${query}`)).status).toBe(401);
      }
    });

    test('an upload of 20 MB, by bearer and by password: the same bytes come back', async () => {
      const { rig } = stage;
      const { url } = await stage.start();
      const content = randomBytes(20 * 2 ** 20).toString('base64');
      for (const word of [rig.hash, rig.password]) {
        const asked = bearer(word, { method: 'POST', body: content });
        expect(await statusOf(`${url}/userdata/big.bin`, asked)).toBe(200);
        expect((await ask(`${url}/userdata/big.bin`, bearer(rig.hash))).body === content).toBe(true);
        expect(await statusOf(`${url}/userdata/big.bin`, bearer(rig.hash, { method: 'DELETE' }))).toBe(204);
      }
    });
  });

  describe('sessions', () => {
    test('the cookie is kept from scripts and other sites, and ends', async () => {
      const { rig } = stage;
      const { url } = await stage.start();
      const words = (await login(url, rig.password)).setCookie.split('; ').slice(1);
      const lasting = words.filter((word) => !word.startsWith('expires=')).sort();
      expect(lasting).toEqual(['HttpOnly', 'Max-Age=86400', 'Path=/', 'SameSite=Lax']);
      const behind = { headers: { 'x-forwarded-proto': 'https' } };
      expect((await login(url, rig.password, behind)).setCookie).toMatch(/; Secure(;|$)/);
    });

    test('the cookie of a server with TLS of its own goes over TLS alone', async () => {
      const { rig } = stage;
      const { pem, key } = certificate();
      const files = [join(rig.folder, 'cert.pem'), join(rig.folder, 'key.pem')] as const;
      writeFileSync(files[0], pem);
      writeFileSync(files[1], key);
      const { url } = await stage.start({ args: ['--tls-certfile', files[0], '--tls-keyfile', files[1]] });
      const answer = await login(url, rig.password, { ca: pem });
      expect(answer.setCookie).toMatch(/; Secure(;|$)/);
      expect(await statusOf(url + STATS, withCookie(answer.cookie, { ca: pem }))).toBe(200);
    });

    test('SESSION_EXPIRE_HOURS ends one, whatever the browser does', async () => {
      const { rig } = stage;
      const { url } = await stage.start({ env: { SESSION_EXPIRE_HOURS: ONE_SECOND_IN_HOURS } });
      const { cookie, setCookie } = await login(url, rig.password);
      expect(setCookie).toContain('Max-Age=1');
      expect(await statusOf(url + STATS, withCookie(cookie))).toBe(200);
      await expect.poll(() => statusOf(url + STATS, withCookie(cookie)), { timeout: 10_000 }).toBe(401);
    });
  });

  describe('/healthz', () => {
    test('says to anybody that it serves, and more to who has a credential', async () => {
      const { rig } = stage;
      const { url } = await stage.start();
      const { cookie } = await login(url, rig.password);
      const known = {
        status: 'ok',
        guard: { version: expect.stringMatching(/^\d+\.\d+\.\d+$/), reload: true },
        credential: fingerprint(rig.hash),
      };
      for (const asked of [{}, bearer(freshSecret()), { headers: { cookie: 'AIOHTTP_SESSION=x' } }]) {
        expect(await ask(`${url}/healthz`, asked)).toMatchObject({ status: 200, json: { status: 'ok' } });
        expect((await ask(`${url}/healthz`, asked)).json).toEqual({ status: 'ok' });
      }
      for (const asked of [bearer(rig.hash), withCookie(cookie)]) {
        expect((await ask(`${url}/healthz`, asked)).json).toEqual(known);
      }
      expect(await statusOf(`${url}/healthz`, { method: 'HEAD' })).toBe(200);
    });
  });

  describe('/metrics', () => {
    test('counts, and says what ComfyUI does', async () => {
      const { rig } = stage;
      const { url } = await stage.start();
      await ask(url + STATS);
      await login(url, freshSecret());
      await login(url, rig.password);
      await ask(`${url}/reload_token`, bearer(rig.hash, { method: 'POST' }));
      const wait = { 1: { class_type: 'Wait', inputs: { seconds: 600 } } };
      await ask(
        `${url}/prompt`,
        bearer(rig.hash, { method: 'POST', body: JSON.stringify({ prompt: wait }) }),
      );
      const { status, headers, body } = await ask(`${url}/metrics`, bearer(rig.hash));
      expect([status, headers['content-type']]).toEqual([200, 'text/plain; version=0.0.4; charset=utf-8']);
      for (const line of [
        /^comfyui_auth_guard_info\{version="[\d.]+"\} 1$/m,
        /^comfyui_auth_requests_total\{verdict="refused"\} 1$/m,
        /^comfyui_auth_requests_total\{verdict="bearer"\} [1-9]/m,
        /^comfyui_auth_login_attempts_total\{result="ok"\} 1$/m,
        /^comfyui_auth_login_attempts_total\{result="wrong"\} 1$/m,
        /^comfyui_auth_reloads_total\{result="unchanged"\} 1$/m,
        /^comfyui_auth_credential_age_seconds \d/m,
        /^comfyui_queue_remaining 1$/m,
        /^comfyui_gpu_memory_bytes\{device="[^"]+",kind="total"\} 8589934592$/m,
        /^comfyui_gpu_memory_bytes\{device="[^"]+",kind="free"\} 4294967296$/m,
      ]) {
        expect(body).toMatch(line);
      }
      for (const line of body.trim().split('\n'))
        expect(line).toMatch(/^(# (HELP|TYPE) |[a-z_]+(\{.*\})? [\d.e+-]+$)/);
      stage.expectSilent(body);
    });

    test.each(['METRICS_TOKEN', 'METRICS_TOKEN_FILE'])(
      '%s is good for it, and for nothing else',
      async (name) => {
        const { rig } = stage;
        const token = freshSecret();
        const file = join(rig.folder, 'metrics-token');
        writeFileSync(file, `${token}\n`);
        const { url } = await stage.start({ env: { [name]: name === 'METRICS_TOKEN' ? token : file } });
        expect(await statusOf(`${url}/metrics`, bearer(token))).toBe(200);
        for (const path of [STATS, '/reload_token', '/metrics/x', '/api/metrics']) {
          expect(await statusOf(url + path, bearer(token))).not.toBe(200);
        }
        expect((await ask(`${url}/healthz`, bearer(token))).json).toEqual({ status: 'ok' });
        expect(await statusOf(`${url}/metrics`)).toBe(401);
        expect(await statusOf(`${url}/metrics`, bearer(rig.hash))).toBe(200);
      },
    );
  });

  test('nothing that it says holds a secret', async () => {
    const { rig } = stage;
    const metrics = freshSecret();
    const env = { NODES_FIRST: 'comfyui-auth-guard', METRICS_TOKEN: metrics };
    const host = await stage.start({ env });
    const next = freshSecret();
    const tried = freshSecret();
    await login(host.url, tried);
    await ask(host.url + STATS, bearer(tried));
    await login(host.url, rig.password);
    rig.write(cheapHash(next));
    await ask(`${host.url}/reload_token`, bearer(rig.hash, { method: 'POST' }));
    await login(host.url, next);
    await ask(host.url + STATS, bearer(next));
    expect(host.events.map(({ event }) => event)).toEqual(
      expect.arrayContaining(['guard-ready', 'login-refused', 'rotation', 'reload']),
    );
    for (const { at } of host.events) expect(at).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+(Z|\+00:00)$/);
    stage.expectSilent(host.output);
    for (const secret of [next, tried, metrics]) expect(host.output).not.toContain(secret);
  });

  test.each<[string, string]>([
    ['SESSION_EXPIRE_HOURS', '0'],
    ['SESSION_EXPIRE_HOURS', '8761'],
    ['SESSION_EXPIRE_HOURS', 'a day'],
    ['BEARER_PASSWORD', 'maybe'],
    ['QUERY_TOKEN', '2'],
    ['KEEP_SESSIONS', 'keep'],
    ['RELOAD_GRACE', '2h'],
    ['RELOAD_GRACE', '-1s'],
    ['METRICS_TOKEN', 'short'],
    ['METRICS_TOKEN_FILE', '/nowhere/token'],
    ['GUEST_MODE_ENABLED', 'some'],
  ])('%s=%s: not started, and the setting is named', async (name, value) => {
    expect(await stage.refused({ env: { [name]: value } })).toContain(name);
  });
});
