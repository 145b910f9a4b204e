import { describe, expect, test } from 'vitest';
import { freshSecret } from '../../process/deployment.ts';
import { type Answer, type Asked, ask, bearer, login, statusOf, withCookie } from './holes-client.ts';
import { eachLoginNode } from './holes-stage.ts';

const STATS = '/system_stats';
const WRONG = '/login?wrong_password=1';
const HERE = '127.0.0.1';
const ELSEWHERE = '127.0.0.2';
const AT_MOST = 3;

const by = (forwarded: string, from = HERE): Asked => ({ from, headers: { 'x-forwarded-for': forwarded } });
const wrong = (url: string, asked: Asked = {}) => login(url, freshSecret(), asked);

/** What so many failures one after another are answered. */
async function failures(url: string, times: number, asked: Asked = {}): Promise<Answer[]> {
  const answers: Answer[] = [];
  for (let time = 0; time < times; time += 1) answers.push(await wrong(url, asked));
  return answers;
}

/** Fails until the limit of that address is reached. */
async function exhaust(url: string, asked: Asked = {}): Promise<void> {
  for (const { location } of await failures(url, AT_MOST, asked)) expect(location).toBe(WRONG);
}

/** Refused for a time, which is said. */
function expectThrottled({ status, headers, cookie }: Answer, most = 60 / AT_MOST): void {
  expect([status, cookie]).toEqual([429, '']);
  expect(headers['retry-after']).toMatch(/^\d+$/);
  expect(Number(headers['retry-after'])).toBeGreaterThan(0);
  expect(Number(headers['retry-after'])).toBeLessThanOrEqual(most);
}

// F9 of container.md §1; what a flood of logins takes from others is measured elsewhere.
eachLoginNode((stage) => {
  describe('F9 no limit on logins', () => {
    test('without the guard, one may try for ever', async () => {
      const { url } = await stage.bare();
      for (const { location } of await failures(url, 4 * AT_MOST)) expect(location).toBe(WRONG);
      expect((await login(url, stage.rig.password)).location).toBe('/');
    });

    test('with it, after the last attempt 429 and when to come back; the right password waits as well', async () => {
      const { rig } = stage;
      const { url, events } = await stage
        .start()
        .then((host) => ({ url: host.url, events: () => host.events }));
      await exhaust(url);
      const answers = await Promise.all([
        wrong(url),
        login(url, rig.password),
        ask(url + STATS, bearer(freshSecret())),
      ]);
      for (const answer of answers) expectThrottled(answer);
      const told = events().filter(({ event }) => event.startsWith('login-'));
      expect(told).toEqual([
        ...Array(AT_MOST).fill(
          expect.objectContaining({ event: 'login-refused', address: HERE, how: 'form' }),
        ),
        expect.objectContaining({ event: 'login-throttled', address: HERE, retryAfter: expect.any(Number) }),
      ]);
    });

    test('with it, the same for a password as bearer; a hash as bearer is no attempt', async () => {
      const { url } = await stage.start();
      for (let time = 0; time < AT_MOST; time += 1) {
        expect(await statusOf(url + STATS, bearer(freshSecret()))).toBe(401);
      }
      expectThrottled(await ask(url + STATS, bearer(freshSecret())));
      expectThrottled(await wrong(url));
      const other = stage.rig.hash.slice(0, -1) + (stage.rig.hash.endsWith('a') ? 'b' : 'a');
      for (let time = 0; time < 2 * AT_MOST; time += 1) {
        expect(await statusOf(url + STATS, bearer(other))).toBe(401);
      }
    });

    test('with it, who has a credential passes meanwhile', async () => {
      const { rig } = stage;
      const { url } = await stage.start();
      const { cookie } = await login(url, rig.password);
      await exhaust(url);
      expectThrottled(await wrong(url));
      for (const asked of [bearer(rig.hash), withCookie(cookie)]) {
        expect(await statusOf(url + STATS, asked)).toBe(200);
      }
      expect(await statusOf(`${url}${STATS}?token=${encodeURIComponent(rig.hash)}`)).toBe(200);
      expect(await statusOf(url + STATS)).toBe(401);
      expect(await statusOf(`${url}/login`)).toBe(200);
      expect(await statusOf(`${url}/healthz`)).toBe(200);
    });

    test('with it, a success resets', async () => {
      const { rig } = stage;
      const { url } = await stage.start();
      for (const { location } of await failures(url, AT_MOST - 1)) expect(location).toBe(WRONG);
      expect((await login(url, rig.password)).location).toBe('/');
      await exhaust(url);
      expectThrottled(await wrong(url));
    });

    test('with it, a password that is known already says nothing to who guesses', async () => {
      const { rig } = stage;
      const { url } = await stage.start();
      const known = bearer(rig.password);
      for (const from of [HERE, HERE, ELSEWHERE])
        expect(await statusOf(url + STATS, { ...known, from })).toBe(200);
      // It was tried twice: once for each address.
      const metrics = await ask(`${url}/metrics`, bearer(rig.hash));
      expect(metrics.body).toContain('comfyui_auth_login_attempts_total{result="ok"} 2\n');
      for (const from of [HERE, ELSEWHERE]) {
        expect((await ask(`${url}/healthz`, { ...known, from })).json).toEqual({ status: 'ok' });
        await exhaust(url, { from });
        expectThrottled(await ask(url + STATS, { ...bearer(freshSecret()), from }));
        expectThrottled(await ask(url + STATS, { ...known, from }));
        expectThrottled(await login(url, rig.password, { from }));
      }
    });

    test('with it, each address has its own, and all together ten times as many', async () => {
      const { url } = await stage.start();
      const addresses = Array.from({ length: 11 }, (_, index) => `127.0.1.${index + 1}`);
      expect(await statusOf(url + STATS, bearer(stage.rig.password))).toBe(200);
      await exhaust(url, { from: ELSEWHERE });
      expectThrottled(await wrong(url, { from: ELSEWHERE }));
      const answers: Answer[] = [];
      for (const from of addresses) answers.push(...(await failures(url, AT_MOST, { from })));
      const locations = answers.map(({ location }) => location);
      // One or two more come in while the others are being tried.
      const most = 10 * AT_MOST - AT_MOST;
      expect(locations.slice(0, most)).toEqual(Array(most).fill(WRONG));
      expect(answers.filter(({ status }) => status === 429).length).toBeGreaterThan(0);
      // Nobody is kept out by what others do: neither with the bearer, nor with a password that came from there before.
      expect((await login(url, stage.rig.password)).location).toBe('/');
      for (const word of [stage.rig.hash, stage.rig.password]) {
        expect(await statusOf(url + STATS, bearer(word))).toBe(200);
      }
    });

    test('with it, MAX_LOGIN_ATTEMPTS says how many', async () => {
      const { url } = await stage.start({ env: { MAX_LOGIN_ATTEMPTS: '1' } });
      expect((await wrong(url)).location).toBe(WRONG);
      expectThrottled(await wrong(url), 60);
    });

    test('with it, an attempt comes back after its time', async () => {
      const { url } = await stage.start({ env: { MAX_LOGIN_ATTEMPTS: '30' } });
      await Promise.all(Array.from({ length: 30 }, () => wrong(url)));
      await expect.poll(async () => (await wrong(url)).status, { timeout: 20_000, interval: 1 }).toBe(429);
      await expect.poll(async () => (await wrong(url)).status, { timeout: 20_000, interval: 1 }).toBe(302);
    });

    test('with it, whom nobody trusts says in vain for whom he asks', async () => {
      const { url } = await stage.start();
      for (let time = 0; time < AT_MOST; time += 1) {
        expect((await wrong(url, by(`203.0.113.${time}`))).location).toBe(WRONG);
      }
      expectThrottled(await wrong(url, by('203.0.113.99')));
      expect((await wrong(url, { from: ELSEWHERE })).location).toBe(WRONG);
    });

    test('with it, TRUSTED_PROXIES are believed: each client behind them has its own', async () => {
      const { url } = await stage.start({ env: { TRUSTED_PROXIES: `${HERE}, 10.0.0.0/8` } });
      await exhaust(url, by('203.0.113.1'));
      expectThrottled(await wrong(url, by('203.0.113.1')));
      expectThrottled(await wrong(url, by('198.51.100.7, 203.0.113.1')));
      expectThrottled(await wrong(url, by('203.0.113.1, 10.1.2.3')));
      expect((await wrong(url, by('203.0.113.2'))).location).toBe(WRONG);
      // From an address that is no proxy, whatever it says.
      await exhaust(url, by('203.0.113.3', ELSEWHERE));
      expectThrottled(await wrong(url, by('203.0.113.4', ELSEWHERE)));
      expect((await wrong(url, by('203.0.113.3'))).location).toBe(WRONG);
    });

    test('with it, what a trusted proxy writes that is no address counts for the proxy', async () => {
      const { url } = await stage.start({ env: { TRUSTED_PROXIES: HERE } });
      for (const words of ['unknown', '', '203.0.113.1, _hidden']) {
        expect((await wrong(url, by(words))).location).toBe(WRONG);
      }
      expectThrottled(await wrong(url, by('other')));
    });

    test('with it, behind the relay all are counted together, and no address is locked out alone', async () => {
      const { rig } = stage;
      const { url } = await stage.start({ env: { EXPOSE_MODE: 'relay' } });
      const answers = await failures(url, 10 * AT_MOST - 1);
      for (const { location } of answers) expect(location).toBe(WRONG);
      await expect.poll(async () => (await wrong(url)).status, { timeout: 20_000, interval: 1 }).toBe(429);
      expectThrottled(await wrong(url, { from: ELSEWHERE }));
      expect(await statusOf(url + STATS, bearer(rig.hash))).toBe(200);
    });

    test.each<[string, Record<string, string>]>([
      ['no attempt', { MAX_LOGIN_ATTEMPTS: '0' }],
      ['too many', { MAX_LOGIN_ATTEMPTS: '1001' }],
      ['a part of one', { MAX_LOGIN_ATTEMPTS: '1.5' }],
      ['no number', { MAX_LOGIN_ATTEMPTS: 'three' }],
      ['digits of another script', { MAX_LOGIN_ATTEMPTS: '٣' }],
      ['no address', { TRUSTED_PROXIES: '10.0.0.0/8, proxy' }],
    ])('with it, %s in the settings: not started, and the setting is named', async (_, env) => {
      const line = await stage.refused({ env });
      for (const name of Object.keys(env)) expect(line).toContain(name);
    });
  });
});
