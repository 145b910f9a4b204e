import { describe, expect, it } from 'vitest';
import { readAddress } from '../../../src/probe/address.ts';
import type { Answer } from '../../../src/probe/request.ts';
import { judgeBearer, judgeLoginPage, judgePassword, judgeRefusal } from '../../../src/probe/verdict.ts';

const address = readAddress('http://comfy.example:8188/ui');

const reply = (status: number, more: Partial<Extract<Answer, { kind: 'reply' }>> = {}): Answer => ({
  kind: 'reply',
  status,
  headers: {},
  body: '',
  end: 'whole',
  ...more,
});
const to = (location: string, status = 302) => reply(status, { headers: { location } });
const silence = (code: string, connected: boolean): Answer => ({ kind: 'silence', code, connected });

describe('a request that must be refused', () => {
  it.each<[Answer, string]>([
    [reply(401), 'proved'],
    [reply(403), 'proved'],
    [to('/login'), 'proved'],
    [to('/ui/login'), 'proved'],
    [to('login'), 'proved'],
    [to('http://comfy.example:8188/login?next=%2F'), 'proved'],
    [reply(401, { end: 'too-long' }), 'proved'],
    [reply(401, { end: 'reset' }), 'not-ready'],
    [reply(401, { end: 'timeout' }), 'not-ready'],
    [reply(200), 'open'],
    [reply(206), 'open'],
    [reply(200, { end: 'reset' }), 'open'],
    [reply(200, { end: 'timeout' }), 'open'],
    [to('/login', 301), 'unknown'],
    [to('/'), 'unknown'],
    [to('//other.example/login'), 'unknown'],
    [to('https://comfy.example:8188/login'), 'unknown'],
    [to('http://comfy.example/login'), 'unknown'],
    [to('http://'), 'unknown'],
    [reply(302), 'unknown'],
    [reply(404), 'unknown'],
    [reply(407), 'unknown'],
    [reply(429), 'not-ready'],
    [reply(500), 'not-ready'],
    [reply(503), 'not-ready'],
    [silence('ECONNREFUSED', false), 'down'],
    [silence('timeout', false), 'down'],
    [silence('timeout', true), 'not-ready'],
    [silence('ECONNRESET', true), 'not-ready'],
    [silence('ECONNRESET', false), 'not-ready'],
  ])('%j: %s', (answer, means) => {
    expect(judgeRefusal(answer, address, 'open').means).toBe(means);
  });
});

it.each([
  ['2', 2000],
  ['0.5', 500],
  ['86400', 60_000],
  ['1e999', 60_000],
  ['-1', undefined],
  ['Wed, 21 Oct 2015 07:28:00 GMT', undefined],
])('patience that is asked for with Retry-After: %s is bounded', (seconds, ms) => {
  const throttled = reply(429, { headers: { 'retry-after': seconds } });
  expect(judgeRefusal(throttled, address, 'open').retryAfterMs).toBe(ms);
});

describe('a login page', () => {
  const page = (body: string) => judgeLoginPage(reply(200, { body }), address, false).finding?.code;

  it('is known by its fields, in whatever order and quotes', () => {
    expect(page('<input type="password" id="password" name="password" required>')).toBeUndefined();
    expect(page("<INPUT name='password' type='password'>")).toBeUndefined();
    expect(page('<input name="password"><input name="username">')).toBe('first-visit');
    expect(page('<input name="password"> Please also set a username.')).toBe('password-file-malformed');
    expect(page('<input name="passwords">')).toBe('not-comfyui');
    expect(page('')).toBe('not-comfyui');
  });

  it('may style guest mode without offering it', () => {
    const style = '<style>.guest-mode {}</style><input type="hidden" name="guest_mode">';
    expect(page(`${style}<input name="password">`)).toBeUndefined();
  });
});

describe('what no round after it can better', () => {
  it('is said at once of the form, and of the bearer where it is said twice', () => {
    expect(judgePassword(to('/login?wrong_password=1'), address).settled).toBe('now');
    expect(judgeBearer(reply(401), address).settled).toBe('if-repeated');
    expect(judgeBearer(reply(404), address).settled).toBeUndefined();
    expect(judgeBearer(reply(500), address).settled).toBeUndefined();
  });
});
