import { describe, expect, it } from 'vitest';
import { bearer, call } from './call.ts';
import { freshPair, Stage, statusOf, statusWith } from './stage.ts';
import { subjects } from './subjects.ts';

const ORIGIN = 'https://ui.example';

describe.each(subjects)('$name: who is let in', (subject) => {
  const stage = new Stage(subject);

  it('refuses whoever has no credential, below /api too, and whatever does not exist', async () => {
    stage.write(freshPair().hash);
    const { url } = await stage.start();
    for (const path of ['/system_stats', '/api/system_stats', '/', '/queue', '/api/login', '/no/such/path']) {
      const answer = await call(url + path, { headers: { accept: 'application/json' } });
      expect([path, answer.status]).toEqual([path, stage.closed]);
      if (subject.alwaysRedirect) expect(answer.location).toBe('/login');
      else expect(JSON.parse(answer.body)).toEqual({ error: 'Authentication required.' });
    }
  });

  it('redirects to the login page what accepts HTML', async () => {
    stage.write(freshPair().hash);
    const { url } = await stage.start();
    const answer = await call(`${url}/system_stats`, { headers: { accept: 'text/html,*/*' } });
    expect([answer.status, answer.location]).toEqual([302, '/login']);
    expect(await statusOf(`${url}/login`)).toBe(200);
  });

  it('takes the first line of PASSWORD as the bearer, and not the password', async () => {
    const { hash, password } = freshPair();
    stage.write(hash);
    const { url } = await stage.start();
    for (const path of ['/system_stats', '/api/system_stats', '/queue', '/prompt']) {
      expect(await statusWith(url + path, hash)).toBe(200);
      expect(await statusWith(url + path, password)).toBe(stage.closed);
      expect(await statusWith(url + path, freshPair().hash)).toBe(stage.closed);
    }
    const posted = { ...bearer(hash), method: 'POST', body: '{"prompt":{}}' };
    expect((await call(`${url}/prompt`, posted)).status).toBe(400);
  });

  it('answers /system_stats with system and devices', async () => {
    const { hash } = freshPair();
    stage.write(hash);
    const { url } = await stage.start();
    const stats = JSON.parse((await call(`${url}/system_stats`, bearer(hash))).body);
    expect(stats).toMatchObject({
      system: { comfyui_version: expect.any(String) },
      devices: expect.any(Array),
    });
  });

  it('takes the bearer as ?token=, too, and no empty one', async () => {
    const { hash } = freshPair();
    stage.write(hash);
    const { url } = await stage.start();
    expect(await statusOf(`${url}/system_stats?token=${encodeURIComponent(hash)}`)).toBe(200);
    expect(await statusOf(`${url}/system_stats?token=`)).toBe(stage.closed);
    expect(await statusOf(`${url}/system_stats?token=x`)).toBe(stage.closed);
  });

  it('falls over a header that is not two words', async () => {
    const { hash } = freshPair();
    stage.write(hash);
    const { url } = await stage.start();
    for (const header of ['Bearer', `Bearer ${hash} x`, hash]) {
      const answer = await call(`${url}/system_stats`, { headers: { authorization: header } });
      expect(answer.status).toBe(500);
    }
    const spaced = await call(`${url}/system_stats`, { headers: { authorization: `Bearer  \t${hash}` } });
    expect(spaced.status).toBe(200);
    expect(await statusOf(`${url}/system_stats`)).toBe(stage.closed);
  });

  it('looks at another kind of authorization, and then at ?token=', async () => {
    const { hash } = freshPair();
    stage.write(hash);
    const { url } = await stage.start();
    const basic = { headers: { authorization: 'Basic eDp5' } };
    expect((await call(`${url}/system_stats`, basic)).status).toBe(stage.closed);
    const both = await call(`${url}/system_stats?token=${encodeURIComponent(hash)}`, basic);
    expect(both.status).toBe(200);
  });

  it('with a fixed CORS origin looks at the bearer only where the request has that origin', async () => {
    const { hash } = freshPair();
    stage.write(hash);
    const { url } = await stage.start(['--enable-cors-header', ORIGIN]);
    const stats = `${url}/system_stats`;
    const refused = await call(stats, bearer(hash));
    expect(refused.status).toBe(stage.closed);
    const named = subject.alwaysRedirect ? undefined : ORIGIN;
    expect(refused.headers['access-control-allow-origin']).toBe(named);
    expect(await statusOf(`${stats}?token=${encodeURIComponent(hash)}`)).toBe(stage.closed);
    const withOrigin = { headers: { authorization: `Bearer ${hash}`, origin: ORIGIN } };
    expect((await call(stats, withOrigin)).status).toBe(200);
    const other = { headers: { authorization: `Bearer ${hash}`, origin: 'https://other.example' } };
    expect((await call(stats, other)).status).toBe(stage.closed);
  });

  it('with any CORS origin looks at the bearer always', async () => {
    const { hash } = freshPair();
    stage.write(hash);
    const { url } = await stage.start(['--enable-cors-header']);
    expect(await statusWith(`${url}/system_stats`, hash)).toBe(200);
    expect(await statusOf(`${url}/system_stats`)).toBe(stage.closed);
  });

  it('without CORS refuses a page of another site on the loopback, credential or not', async () => {
    const { hash } = freshPair();
    stage.write(hash);
    const { url } = await stage.start();
    const headers = { authorization: `Bearer ${hash}`, origin: ORIGIN };
    expect((await call(`${url}/system_stats`, { headers })).status).toBe(403);
    expect((await call(`${url}/system_stats`, { headers: { ...headers, origin: url } })).status).toBe(200);
  });

  it('prints the bearer at its start, and shows it to whoever is logged in', async () => {
    const { hash } = freshPair();
    stage.write(hash);
    const server = await stage.start();
    expect(server.log()).toContain(`use token=${hash}`);
    const logs = await call(`${server.url}/internal/logs`, bearer(hash));
    expect(JSON.parse(logs.body)).toContain(`use token=${hash}`);
    expect(await statusOf(`${server.url}/internal/logs`)).toBe(stage.closed);
  });

  it('lets anyone in whose path ends as that of a script', async () => {
    const { hash } = freshPair();
    stage.write(hash);
    const { url } = await stage.start();
    const canary = await call(`${url}/object_info/x.js`);
    expect([canary.status, canary.body]).toEqual([200, '{}']);
    expect(await statusOf(`${url}/api/object_info/x.js`)).toBe(200);
    expect(await statusOf(`${url}/object_info/x.css`)).toBe(200);
    expect(await statusOf(`${url}/object_info/x`)).toBe(stage.closed);
    expect(await statusOf(`${url}/object_info/x?y=.js`)).toBe(stage.closed);
    expect(await statusOf(`${url}/object_info/x%2Ejs`)).toBe(200);
    const later = subject.alwaysRedirect ? stage.closed : 200;
    expect(await statusOf(`${url}/object_info/x.ico`)).toBe(later);
    expect(await statusOf(`${url}/object_info/x.css.map`)).toBe(later);
  });

  it('lets anyone write, read, move and delete user data of such a name', async () => {
    stage.write(freshPair().hash);
    const { url } = await stage.start();
    const file = `${url}/userdata/x.js`;
    expect(await statusOf(file)).toBe(404);
    expect((await call(file, { method: 'POST', body: 'mine' })).status).toBe(200);
    expect((await call(file)).body).toBe('mine');
    const move = `${url}/api/userdata/x.js/move/y.js`;
    expect((await call(move, { method: 'POST' })).status).toBe(200);
    expect((await call(`${url}/api/userdata/y.js`, { method: 'DELETE' })).status).toBe(204);
    expect((await call(`${url}/userdata/x`, { method: 'POST', body: 'mine' })).status).toBe(stage.closed);
  });
});
