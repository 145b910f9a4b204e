import { describe, expect, it } from 'vitest';
import { Secret } from '../../../src/model/secret.ts';
import { systemClock } from '../../../src/platform/clock.ts';
import { askGuard, type GuardTarget, reloadThroughGuard } from '../../../src/probe/guard.ts';
import { BEARER, dripping, flooding, onRequest } from '../../process/scripted-servers.ts';
import { serve, serveRaw } from './scripted.ts';

const target = (url: string, more: Partial<GuardTarget> = {}): GuardTarget => ({
  url,
  bearer: new Secret(BEARER),
  clock: systemClock,
  ...more,
});

/** Answers every request so. */
const saying = (status: number, body: unknown) =>
  serve((_, response) =>
    response.writeHead(status).end(typeof body === 'string' ? body : JSON.stringify(body)),
  );

const GUARD = { version: '1.20.3', reload: true };
const FP = '0123abcd';
const HEALTH = { status: 'ok', guard: GUARD, credential: FP };
const present = { guard: 'present', ...GUARD, credential: FP };
const unknown = { guard: 'unknown' };
const answers = { guard: 'unknown', answers: true };
const absent = { guard: 'absent' };

describe('whether the guard is there', () => {
  it.each<[string, number, unknown, object]>([
    ['all that it says', 200, HEALTH, present],
    ['more than is known', 200, { ...HEALTH, later: [1] }, present],
    [
      'that it cannot reload',
      200,
      { ...HEALTH, guard: { ...GUARD, reload: false } },
      { ...present, reload: false },
    ],
    [
      'why it is closed',
      503,
      { ...HEALTH, status: 'closed', reason: 'token-empty' },
      { ...present, closed: 'token-empty' },
    ],
    [
      'that it is closed, in prose',
      503,
      { ...HEALTH, status: 'closed', reason: `of ${BEARER}` },
      { ...present, closed: 'unknown' },
    ],
    ['that it is closed', 503, { ...HEALTH, status: 'closed' }, { ...present, closed: 'unknown' }],
    ['to a stranger that it is well', 200, { status: 'ok' }, answers],
    ['to a stranger that it is closed', 503, { status: 'closed' }, { ...answers, closed: 'unknown' }],
    ['a version in prose', 200, { ...HEALTH, guard: { ...GUARD, version: BEARER } }, answers],
    [
      'a version that is long',
      200,
      { ...HEALTH, guard: { ...GUARD, version: `1.2.${'3'.repeat(99)}` } },
      answers,
    ],
    ['a fingerprint in capitals', 200, { ...HEALTH, credential: FP.toUpperCase() }, answers],
    ['a guard that is a word', 200, { ...HEALTH, guard: 'yes' }, answers],
    ['that it is well, by 503', 503, HEALTH, unknown],
    ['that it is closed, by 200', 200, { ...HEALTH, status: 'closed' }, absent],
    ['another health', 200, { status: 'UP' }, absent],
    ['a page', 200, '<!doctype html>', absent],
    ['null', 200, null, absent],
    ['a list', 200, [HEALTH], absent],
    ['401', 401, { error: 'Authentication required.' }, absent],
    ['404', 404, '404: Not Found', absent],
    ['302', 302, '', absent],
    ['429', 429, '', unknown],
    ['500', 500, '', unknown],
    ['502', 502, '<html>', unknown],
  ])('from %s (%i)', async (_, status, body, expected) => {
    expect(await askGuard(target(await saying(status, body)))).toEqual(expected);
  });

  it('sends the bearer, and the origin where there is one, to /healthz behind a prefix', async () => {
    const seen: unknown[] = [];
    const url = await serve(({ method, url: path, headers }, response) => {
      seen.push([method, path, headers.authorization, headers.origin]);
      response.end(JSON.stringify(HEALTH));
    });
    await askGuard(target(`${url}/ui/`, { origin: 'https://ui.example' }));
    await askGuard(target(url));
    await askGuard(target(url, { bearer: new Secret('two words') }));
    expect(seen).toEqual([
      ['GET', '/ui/healthz', `Bearer ${BEARER}`, 'https://ui.example'],
      ['GET', '/healthz', `Bearer ${BEARER}`, undefined],
      ['GET', '/healthz', undefined, undefined],
    ]);
  });

  it.each([
    ['drips', dripping('HTTP/1.1 200 OK\r\n\r\n{"status":"ok"'), unknown],
    [
      'is cut off',
      (socket: { end(text: string): unknown }) =>
        socket.end('HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{"status":"ok"}'),
      unknown,
    ],
    ['does not end', flooding('HTTP/1.1 200 OK\r\n\r\n'), absent],
  ] as const)('is bounded where an answer %s', async (_, wire, expected) => {
    const url = await serveRaw(onRequest(wire));
    expect(await askGuard(target(url, { tryMs: 500 }))).toEqual(expected);
  });

  it('ends with the reason of its signal', async () => {
    const url = await serveRaw(() => undefined);
    const abort = new AbortController();
    const asked = askGuard(target(url, { signal: abort.signal }));
    abort.abort(new Error('enough'));
    await expect(asked).rejects.toThrow('enough');
  });

  it('refuses an address or an origin that cannot be used', async () => {
    await expect(askGuard(target('http://u:word@[::1]/'))).rejects.toThrow(/holds a user or a password/);
    await expect(askGuard(target('http://[::1]:1', { origin: 'a\nb' }))).rejects.toThrow(/origin/);
  });
});

describe('what became of a reload', () => {
  const done = { reloaded: true, credential: FP, sessions: 'kept', graceSeconds: 1.5 };

  it.each<[string, number, unknown, object]>([
    ['done', 200, done, { result: 'reloaded', credential: FP, sessions: 'kept', graceSeconds: 1.5 }],
    ['nothing to do', 200, { reloaded: false, credential: FP }, { result: 'unchanged', credential: FP }],
    ['sessions of another kind', 200, { ...done, sessions: BEARER }, { result: 'unknown' }],
    ['a grace that is none', 200, { ...done, graceSeconds: '5' }, { result: 'unknown' }],
    ['a grace below nothing', 200, { ...done, graceSeconds: -1 }, { result: 'unknown' }],
    ['no fingerprint', 200, { reloaded: true }, { result: 'unknown' }],
    [
      'PASSWORD is not as it should be',
      409,
      { code: 'password-invalid', error: BEARER },
      { result: 'refused', code: 'password-invalid' },
    ],
    ['a conflict in prose', 409, { code: BEARER }, { result: 'unknown' }],
    ['who are you', 401, { error: 'Authentication required.' }, { result: 'refused', code: 'unauthorized' }],
    ['a code', 401, { code: 'not-you' }, { result: 'refused', code: 'not-you' }],
    ['not with this node', 501, { code: 'reload-unsupported', error: '' }, { result: 'unsupported' }],
    ['a server without POST', 501, 'Unsupported method', { result: 'unknown' }],
    ['closed', 503, { error: '' }, { result: 'unknown' }],
    ['too many', 429, '', { result: 'unknown' }],
    ['another site', 403, '', { result: 'unknown' }],
    ['no such path', 404, '', { result: 'absent' }],
    ['no such method', 405, '', { result: 'absent' }],
    ['the older node', 302, '', { result: 'absent' }],
    ['something else', 200, { ok: true }, { result: 'absent' }],
    ['a page', 200, '<html>', { result: 'absent' }],
  ])('%s', async (_, status, body, expected) => {
    expect(await reloadThroughGuard(target(await saying(status, body)))).toEqual(expected);
  });

  it('asks by POST, once', async () => {
    const seen: unknown[] = [];
    const url = await serve(({ method, url: path, headers }, response) => {
      seen.push([method, path, headers.authorization, headers['content-length']]);
      response.writeHead(500).end();
    });
    await reloadThroughGuard(target(url));
    expect(seen).toEqual([['POST', '/reload_token', `Bearer ${BEARER}`, '0']]);
  });
});
