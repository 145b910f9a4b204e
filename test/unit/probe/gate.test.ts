import { describe, expect, it } from 'vitest';
import { Failure } from '../../../src/model/failure.ts';
import { Secret } from '../../../src/model/secret.ts';
import { systemClock } from '../../../src/platform/clock.ts';
import { checkOnce } from '../../../src/probe/gate.ts';
import { asked, BEARER, PASSWORD, reply, sound, soundBut } from '../../process/scripted-servers.ts';
import { BRIEF, codes, gate, serve, serveRaw } from './scripted.ts';

const target = (url: string) => ({
  url,
  credential: { username: 'admin', bearer: new Secret(BEARER) },
  clock: systemClock,
});

describe('the address', () => {
  it.each([
    ['a user', `http://admin:${PASSWORD}@127.0.0.1:1`],
    ['a token', `http://127.0.0.1:1/?token=${BEARER}`],
    ['a fragment', 'http://127.0.0.1:1/#x'],
    ['another protocol', `ftp://${PASSWORD}.example`],
    ['no sense', `http://:${PASSWORD}@`],
    ['nothing', ''],
  ])('with %s is refused, and not repeated', async (_, url) => {
    const error = await gate(url).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(Failure);
    const { message, remedy, stack = '', cause } = error as Failure;
    expect(cause).toBeUndefined();
    for (const text of [message, remedy, stack]) {
      expect([text.includes(PASSWORD), text.includes(BEARER)]).toEqual([false, false]);
    }
  });

  it('may have a path of its own', async () => {
    const url = await serve((request, response) => {
      if (request.url?.startsWith('/comfy/') !== true) return reply(response, 404);
      request.url = request.url.slice('/comfy'.length);
      return sound(request, response);
    });
    expect((await gate(`${url}/comfy`)).status).toBe('proved');
    expect((await gate(`${url}/comfy/`)).status).toBe('proved');
  });

  it('of TLS at a server without it: down', async () => {
    const url = await serve(sound);
    const report = await gate(url.replace('http:', 'https:'), BRIEF);
    expect([report.status, codes(report)]).toEqual(['down', ['down']]);
  });

  it('an origin that no header may hold is refused', async () => {
    await expect(gate(await serve(sound), { origin: 'https://x\r\ny: z' })).rejects.toBeInstanceOf(Failure);
  });
});

describe('the gate', () => {
  it('posts the form once, in its last round', async () => {
    const seen: string[] = [];
    const url = await serve(soundBut((request) => void seen.push(`${request.method} ${request.url}`)));
    await gate(url);
    const round = [
      'GET /system_stats',
      'GET /system_stats?token=',
      'GET /system_stats',
      'GET /system_stats',
      'GET /login',
    ];
    const once = ['GET /object_info/x.js', 'POST /login', 'POST /login'];
    expect(seen).toEqual([...round, ...round, ...round, ...once]);
  });

  it('never posts the form where anything before it was not good', async () => {
    let posts = 0;
    const url = await serve(
      soundBut((request, response) => {
        if (request.method === 'POST') posts += 1;
        return request.url === '/login' && !!reply(response, 200, '<p>no form here</p>');
      }),
    );
    const report = await gate(url, { rounds: 1 });
    expect([report.status, posts]).toEqual(['unknown', 0]);
  });

  it('starts anew when another process answers', async () => {
    let rounds = 0;
    const who = () => (rounds < 2 ? 'first' : 'second');
    const good: number[] = [];
    const onProgress = ({ round }: { round: number }) => {
      rounds += 1;
      good.push(round);
    };
    const report = await gate(await serve(sound), { identity: who, onProgress });
    expect(report.status).toBe('proved');
    expect(good).toEqual([1, 2, 1, 2, 3]);
  });

  it('does not count a round in which the process changed', async () => {
    let requests = 0;
    const url = await serve(
      soundBut(() => {
        requests += 1;
      }),
    );
    const good: number[] = [];
    const report = await gate(url, {
      rounds: 1,
      identity: () => (requests < 4 ? 'first' : 'second'),
      onProgress: ({ round }) => good.push(round),
    });
    expect([report.status, good]).toEqual(['proved', [0, 1]]);
  });

  it('ends at once when the process is gone', async () => {
    let rounds = 0;
    const url = await serve(soundBut((_, response) => !!reply(response, 503)));
    const started = performance.now();
    const report = await gate(url, {
      identity: () => (rounds < 2 ? 'it' : undefined),
      onProgress: () => {
        rounds += 1;
      },
    });
    expect(report).toMatchObject({ status: 'down', findings: [{ code: 'down', args: { reason: 'gone' } }] });
    expect(performance.now() - started).toBeLessThan(3000);
  });

  it('ends where it is aborted, in a request and in a pause', async () => {
    for (const start of [
      () => serveRaw(() => undefined),
      () => serve((_, response) => reply(response, 503)),
    ]) {
      const abort = new AbortController();
      const proof = gate(await start(), { signal: abort.signal, maxPauseMs: 60_000 });
      queueMicrotask(() => abort.abort(new Error('stop')));
      await expect(proof).rejects.toThrow();
    }
  });

  it('waits as long as a guard that throttles the form asks for, and tries again', async () => {
    let posts = 0;
    const url = await serve(
      soundBut(
        (request, response) =>
          request.method === 'POST' && ++posts === 1 && !!reply(response, 429, '', { 'retry-after': '1' }),
      ),
    );
    const started = performance.now();
    expect((await gate(url)).status).toBe('proved');
    expect(performance.now() - started).toBeGreaterThan(990);
  });

  it('ends the moment the form refuses the password', async () => {
    let posts = 0;
    const wrong = { location: '/login?wrong_password=1' };
    const url = await serve(
      soundBut(
        (request, response) => request.method === 'POST' && ++posts > 0 && !!reply(response, 302, '', wrong),
      ),
    );
    const report = await gate(url);
    expect([report.status, codes(report), posts]).toEqual(['refused', ['password-refused'], 1]);
  });
});

describe('the cheap part', () => {
  it('makes four requests, and says what they mean', async () => {
    let requests = 0;
    const url = await serve(
      soundBut(() => {
        requests += 1;
      }),
    );
    expect(await checkOnce(target(url))).toMatchObject({ status: 'proved', findings: [] });
    expect(requests).toBe(4);
  });

  it('does not repeat what fails', async () => {
    const url = await serve(
      soundBut((request, response) => asked(request).path !== '' && !!reply(response, 403)),
    );
    expect((await checkOnce(target(url))).status).toBe('refused');
  });
});
