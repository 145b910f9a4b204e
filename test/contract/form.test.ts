import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Called, call, form } from './call.ts';
import { freshPair, Stage, statusOf, statusWith } from './stage.ts';
import { subjects } from './subjects.ts';

const outcome = ({ status, location, cookie }: Called) => [status, location, cookie !== undefined];
const LET_IN = [302, '/', true];
const WRONG = [302, '/login?wrong_password=1', false];

describe.each(subjects)('$name: the login form', (subject) => {
  const stage = new Stage(subject);
  const login = (url: string, fields: Record<string, string>) => call(`${url}/login`, form(fields));
  const asked = (url: string, cookie: string | undefined, path = '/system_stats') =>
    call(url + path, { headers: { cookie: cookie ?? '' } });

  it('takes the password, whoever gives it, and tells a wrong one by the address alone', async () => {
    const { hash, password } = freshPair();
    stage.write(hash);
    const { url } = await stage.start();
    const right = await login(url, { username: 'admin', password });
    expect(outcome(right)).toEqual(LET_IN);
    expect((await asked(url, right.cookie)).status).toBe(200);
    expect(outcome(await login(url, { username: 'nobody', password }))).toEqual(LET_IN);
    expect(outcome(await login(url, { password }))).toEqual(LET_IN);
    expect(outcome(await login(url, { username: 'admin', password: `${password}x` }))).toEqual(WRONG);
    expect(outcome(await login(url, { username: 'admin', password: '' }))).toEqual(WRONG);
    const forged = right.cookie?.replace('=', '=x');
    expect((await asked(url, forged)).status).toBe(stage.closed);
  });

  it('falls over JSON, a missing password, and one of more than 72 bytes', async () => {
    const { hash, password } = freshPair();
    stage.write(hash);
    const { url } = await stage.start();
    const json = {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ username: 'admin', password }),
    };
    expect((await call(`${url}/login`, json)).status).toBe(500);
    expect((await login(url, { username: 'admin' })).status).toBe(500);
    expect((await login(url, { username: 'admin', password: 'x'.repeat(73) })).status).toBe(500);
  });

  it('greets by name, and says a wrong password', async () => {
    stage.write(freshPair().hash, '\nmärta');
    const { url } = await stage.start();
    expect((await call(`${url}/login`)).body).toContain('Welcome back, märta!');
    expect((await call(`${url}/login?wrong_password=1`)).body).toContain('Wrong Password');
  });

  it('ends a session at /logout', async () => {
    const { hash, password } = freshPair();
    stage.write(hash);
    const { url } = await stage.start();
    const { cookie } = await login(url, { password });
    expect(outcome(await asked(url, cookie, '/login'))).toEqual([302, '/', false]);
    const out = await asked(url, cookie, '/logout');
    expect([out.status, out.location]).toEqual([302, '/login']);
    expect((await asked(url, out.cookie)).status).toBe(stage.closed);
  });

  it('without PASSWORD lets the first visitor choose it', async () => {
    const { url } = await stage.start();
    const page = (await call(`${url}/login`)).body;
    expect(page).toContain('first login');
    expect(page).toContain('name="username"');
    expect(await statusOf(`${url}/system_stats`)).toBe(stage.closed);
    expect(await statusOf(`${url}/system_stats?token=`)).toBe(200);
    expect(outcome(await login(url, { username: 'eve', password: 'whatever' }))).toEqual(LET_IN);
    const [hash = '', name] = readFileSync(stage.passwordPath, 'utf8').split('\n');
    expect([hash.length, name]).toEqual([60, 'eve']);
    expect(await statusWith(`${url}/system_stats`, hash)).toBe(200);
    expect(await statusOf(`${url}/system_stats?token=`)).toBe(stage.closed);
  });

  it('without PASSWORD and without a name leaves an empty file: open, and nobody can log in', async () => {
    const { url } = await stage.start();
    expect((await login(url, { password: 'whatever' })).status).toBe(500);
    expect(statSync(stage.passwordPath).size).toBe(0);
    expect(await statusOf(`${url}/system_stats?token=`)).toBe(200);
    expect(outcome(await login(url, { username: 'eve', password: 'whatever' }))).toEqual(WRONG);
  });

  it('without a second line asks for a name, and is cut to nothing where none is given', async () => {
    const { hash, password } = freshPair();
    stage.write(hash, '');
    const { url } = await stage.start();
    expect((await call(`${url}/login`)).body).toContain('Please also set a username');
    expect((await login(url, { password })).status).toBe(500);
    expect(statSync(stage.passwordPath).size).toBe(0);
    expect(await statusWith(`${url}/system_stats`, hash)).toBe(200);
  });

  it('without a second line adds the name that is given', async () => {
    const { hash, password } = freshPair();
    stage.write(hash, '\n');
    const { url } = await stage.start();
    expect(outcome(await login(url, { username: 'marta', password }))).toEqual(LET_IN);
    expect(readFileSync(stage.passwordPath, 'utf8')).toBe(`${hash}\nmarta`);
  });

  it('reads PASSWORD at the first login, and keeps to it', async () => {
    const [old, next] = [freshPair(), freshPair()];
    stage.write(old.hash);
    const { url } = await stage.start();
    expect(outcome(await login(url, { username: 'admin', password: old.password }))).toEqual(LET_IN);
    stage.write(next.hash);
    expect(outcome(await login(url, { username: 'admin', password: next.password }))).toEqual(WRONG);
    expect(outcome(await login(url, { username: 'admin', password: old.password }))).toEqual(LET_IN);
    expect(await statusWith(`${url}/system_stats`, old.hash)).toBe(200);
  });

  it('may refuse a new bearer and yet take the new password, as long as it is the old process', async () => {
    const [old, next] = [freshPair(), freshPair()];
    stage.write(old.hash);
    const { url } = await stage.start();
    stage.write(next.hash);
    expect(await statusWith(`${url}/system_stats`, next.hash)).toBe(stage.closed);
    expect(outcome(await login(url, { username: 'admin', password: next.password }))).toEqual(LET_IN);
  });

  it('offers the first visit as soon as PASSWORD is deleted, the bearer still good', async () => {
    const { hash } = freshPair();
    stage.write(hash);
    const { url } = await stage.start();
    rmSync(stage.passwordPath);
    expect((await call(`${url}/login`)).body).toContain('first login');
    expect(await statusWith(`${url}/system_stats`, hash)).toBe(200);
    expect(await statusOf(`${url}/system_stats?token=`)).toBe(stage.closed);
  });

  it('keeps sessions over a restart and a new password, until the key file is gone', async () => {
    const [old, next] = [freshPair(), freshPair()];
    stage.write(old.hash);
    const first = await stage.start();
    const { cookie } = await login(first.url, { username: 'admin', password: old.password });
    await stage.stop(first);
    stage.write(next.hash);
    const second = await stage.start();
    expect((await asked(second.url, cookie)).status).toBe(200);
    await stage.stop(second);
    rmSync(stage.keyPath);
    const third = await stage.start();
    expect((await asked(third.url, cookie)).status).toBe(stage.closed);
  });

  it('has no limit on logins', async () => {
    stage.write(freshPair().hash);
    const { url } = await stage.start();
    for (let i = 0; i < 20; i++) {
      expect(outcome(await login(url, { username: 'admin', password: `guess-${i}` }))).toEqual(WRONG);
    }
  });

  it.skipIf(subject.alwaysRedirect)('lets guests look at everything while GUEST_MODE exists', async () => {
    const { hash } = freshPair();
    stage.write(hash);
    const { url } = await stage.start();
    const guest = { username: '', password: '', guest_mode: '1' };
    expect((await call(`${url}/login`)).body).not.toContain('value="Guest Mode"');
    expect(outcome(await login(url, guest))).toEqual(WRONG);
    writeFileSync(join(stage.dir, 'login', 'GUEST_MODE'), '');
    expect((await call(`${url}/login`)).body).toContain('value="Guest Mode"');
    const entered = await login(url, guest);
    expect(outcome(entered)).toEqual(LET_IN);
    expect((await asked(url, entered.cookie)).status).toBe(200);
    expect(JSON.parse((await asked(url, entered.cookie, '/internal/logs')).body)).toContain(hash);
    const post = { method: 'POST', headers: { cookie: entered.cookie ?? '' }, body: '{"prompt":{}}' };
    expect((await call(`${url}/prompt`, post)).status).toBe(400);
    const other = await call(`${url}/queue`, post);
    expect([other.status, other.body]).toEqual([200, '{}']);
  });
});
