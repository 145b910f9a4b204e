import { expect, test } from 'vitest';
import { cheapHash, freshSecret } from '../../process/deployment.ts';
import { ask, bearer, login, statusOf, withCookie } from './holes-client.ts';
import { eachLoginNode } from './holes-stage.ts';

const STATS = '/system_stats';

// What warns today is an error tomorrow. One is not the guard's: aiohttp_session keeps what it knows of a request under
// a name that is a string.
const WARNINGS = ['-W', 'error', '-W', 'ignore:It is recommended to use web.RequestKey', '-X', 'dev'];

eachLoginNode((stage) => {
  test('where every warning is an error, it starts, serves, reloads and ends', async () => {
    const { rig } = stage;
    const host = await stage.start({ python: WARNINGS });
    const { url } = host;
    expect(await statusOf(url + STATS)).toBe(401);
    for (const word of [rig.hash, rig.password]) expect(await statusOf(url + STATS, bearer(word))).toBe(200);
    const { cookie } = await login(url, rig.password);
    expect(await statusOf(url + STATS, withCookie(cookie))).toBe(200);
    expect((await login(url, 'wrong')).location).toBe('/login?wrong_password=1');
    expect(await statusOf(`${url}/login`, { method: 'POST' })).toBe(415);
    for (const path of ['/healthz', '/metrics', '/assets/index.js']) {
      expect([path, await statusOf(url + path, bearer(rig.hash))]).toEqual([path, 200]);
    }
    rig.write(cheapHash(freshSecret()));
    const reloaded = await ask(`${url}/reload_token`, bearer(rig.hash, { method: 'POST' }));
    expect(reloaded.json).toMatchObject({ reloaded: true });
    rig.write(rig.hash);
    const so = host.events.length;
    host.signal('SIGHUP');
    expect(await host.told('reload', so)).toMatchObject({ result: 'reloaded' });
    expect(await host.stop()).toEqual({ code: 0, signal: null });
    expect(host.stderr).not.toMatch(/Warning|Traceback|never awaited/);
  });
});
