import http from 'node:http';
import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import {
  asked,
  BEARER,
  codes,
  gate,
  type Handler,
  PASSWORD,
  reply,
  serve,
  serveRaw,
  sound,
  soundBut,
} from './scripted.ts';

/** Everything that a second server is sent. */
async function elsewhere() {
  let bytes = '';
  const url = await serveRaw((socket) => {
    socket.on('data', (chunk) => {
      bytes += chunk.toString('latin1');
    });
  });
  return { url, bytes: () => bytes };
}

const has = (secret: string, text: string) =>
  [secret, encodeURIComponent(secret), Buffer.from(secret).toString('base64')].some((form) =>
    text.includes(form),
  );

describe('a server that redirects', () => {
  it.each<[string, (to: string) => Handler]>([
    ['everything', (to) => (_, response) => reply(response, 302, '', { location: `${to}/` })],
    [
      'everything to another login',
      (to) => (_, response) => reply(response, 302, '', { location: `${to}/login` }),
    ],
    ['everything for good', (to) => (_, response) => reply(response, 308, '', { location: `${to}/` })],
    [
      'the bearer',
      (to) =>
        soundBut(
          (request, response) =>
            asked(request).bearer === BEARER &&
            !!reply(response, 307, '', { location: `${to}/system_stats` }),
        ),
    ],
    [
      'the form, body and all',
      (to) =>
        soundBut(
          (request, response) =>
            request.method === 'POST' && !!reply(response, 307, '', { location: `${to}/login` }),
        ),
    ],
    [
      'the login page',
      (to) =>
        soundBut(
          (request, response) =>
            asked(request).path === '/login' && !!reply(response, 302, '', { location: `${to}/login` }),
        ),
    ],
  ])('%s: it is named, and nothing is sent there', async (_, handlerTo) => {
    const second = await elsewhere();
    const report = await gate(await serve(handlerTo(second.url)));
    expect([report.status, codes(report)]).toEqual(['unknown', ['redirected']]);
    expect(report.findings[0]?.args).toMatchObject({ to: second.url });
    expect(second.bytes()).toBe('');
  });

  it('to /login of another name is not closed', async () => {
    const report = await gate(
      await serve((_, response) => reply(response, 302, '', { location: '/login/elsewhere' })),
    );
    expect([report.status, codes(report)]).toEqual(['unknown', ['redirected']]);
  });
});

describe('secrets', () => {
  it('go to where they belong, and nowhere else', async () => {
    const seen: { line: string; headers: string; body: string }[] = [];
    const url = await serve(
      soundBut((request) => {
        const entry = {
          line: `${request.method} ${request.url}`,
          headers: inspect(request.headers),
          body: '',
        };
        seen.push(entry);
        request.on('data', (chunk: Buffer) => {
          entry.body += chunk.toString();
        });
        return false;
      }),
    );
    const report = await gate(url);
    expect(report.status).toBe('proved');
    expect(seen.length).toBe(3 * 5 + 3);
    for (const { headers } of seen) {
      expect(headers).toContain("accept: 'application/json'");
      expect(headers).toContain("'accept-encoding': 'identity'");
    }
    expect(seen.filter(({ line }) => has(BEARER, line) || has(PASSWORD, line))).toEqual([]);
    expect(seen.filter(({ headers }) => has(PASSWORD, headers))).toEqual([]);
    expect(seen.filter(({ headers }) => has(BEARER, headers)).map(({ line }) => line)).toEqual(
      Array(3).fill('GET /system_stats'),
    );
    expect(seen.filter(({ body }) => body !== '').map(({ line }) => line)).toEqual([
      'POST /login',
      'POST /login',
    ]);
    expect(seen.filter(({ body }) => has(PASSWORD, body)).length).toBe(1);
    expect(seen.every(({ body }) => body === '' || body.startsWith('username=admin&'))).toBe(true);
  });

  it('are in no report, whatever the server echoes', async () => {
    const echo = soundBut((request, response) => {
      const { bearer } = asked(request);
      if (bearer !== BEARER) return false;
      reply(response, 200, `<p>${bearer}</p>`, { 'x-echo': bearer, location: `http://127.0.0.1/${bearer}` });
      return true;
    });
    const text = JSON.stringify(await gate(await serve(echo)));
    expect(text).toContain('not-comfyui');
    expect([has(BEARER, text), has(PASSWORD, text)]).toEqual([false, false]);
  });

  it('are not sent through the agent that the environment may turn into a proxy', async () => {
    let used = 0;
    class Proxying extends http.Agent {
      override createConnection(...args: Parameters<http.Agent['createConnection']>) {
        used += 1;
        return super.createConnection(...args);
      }
    }
    const before = http.globalAgent;
    http.globalAgent = new Proxying();
    try {
      expect((await gate(await serve(sound))).status).toBe('proved');
    } finally {
      http.globalAgent = before;
    }
    expect(used).toBe(0);
  });
});
