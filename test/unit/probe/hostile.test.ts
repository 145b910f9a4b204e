import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import {
  asked,
  BEARER,
  BRIEF,
  codes,
  gate,
  type Handler,
  LOGIN_PAGE,
  reply,
  STATS,
  serve,
  serveRaw,
  sound,
  soundBut,
} from './scripted.ts';

const HTML = '<!DOCTYPE html><title>Welcome</title>';

/** Answers each connection with these bytes, as soon as the request is there. */
const answering = (...parts: string[]) =>
  serveRaw((socket) => {
    socket.once('data', () => {
      for (const part of parts) socket.write(part);
    });
  });

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address !== null ? address.port : 0;
}

describe('a sound server', () => {
  it('is proven', async () => {
    const report = await gate(await serve(sound));
    expect(report).toMatchObject({ status: 'proved', findings: [] });
    expect(report.checks.map(({ verdict }) => verdict)).toEqual(Array(8).fill('pass'));
  });

  it('is proven where it redirects to /login, and answers in HTTP/1.0', async () => {
    const always = soundBut((request, response) => {
      const { path, bearer } = asked(request);
      response.useChunkedEncodingByDefault = false;
      return path !== '/login' && bearer !== BEARER && !!reply(response, 302, '', { location: '/login' });
    });
    expect((await gate(await serve(always))).status).toBe('proved');
  });

  it('is proven as soon as it is there, however late', async () => {
    const port = await freePort();
    const proof = gate(`http://127.0.0.1:${port}`);
    const seen: string[] = [];
    const late = gate(`http://127.0.0.1:${port}`, {
      onProgress: ({ state }) => {
        seen.push(state);
        if (seen.length === 3) void serve(sound, port);
      },
    });
    expect([(await late).status, (await proof).status]).toEqual(['proved', 'proved']);
    expect(seen.slice(0, 3)).toEqual(['down', 'down', 'down']);
  });

  it('is proven after a start in which it answers 503', async () => {
    let starting = 20;
    const slow = soundBut((_, response) => starting-- > 0 && !!reply(response, 503));
    expect((await gate(await serve(slow))).status).toBe('proved');
  });
});

describe('a server that is not there, or not yet', () => {
  it('nothing listens: down', async () => {
    const report = await gate(`http://127.0.0.1:${await freePort()}`, BRIEF);
    expect(report.status).toBe('down');
    expect(report.findings).toEqual([{ code: 'down', args: { reason: 'ECONNREFUSED' } }]);
  });

  it('accepts and says nothing: not ready', async () => {
    const report = await gate(await serveRaw(() => undefined), { ...BRIEF, tryMs: 200 });
    expect([report.status, report.checks[0]?.detail]).toEqual(['not-ready', 'timeout']);
  });

  it.each<[string, () => Promise<string>]>([
    [
      'resets each connection',
      () => serveRaw((socket) => socket.once('data', () => socket.resetAndDestroy())),
    ],
    ['closes each connection', () => serveRaw((socket) => socket.once('data', () => socket.end()))],
    ['speaks no HTTP', () => answering('SSH-2.0-OpenSSH_9.2\r\n')],
    ['sends a header without end', () => answering(`HTTP/1.1 401 No\r\nx: ${'a'.repeat(200_000)}`)],
    ['drips its header', () => serveRaw(drip('HTTP/1.1 401 Unauthorized\r\n'))],
    ['drips its body', () => serveRaw(drip('HTTP/1.1 401 Unauthorized\r\ncontent-length: 99999\r\n\r\n'))],
    ['claims more than it sends', () => closing('HTTP/1.1 401 No\r\ncontent-length: 500\r\n\r\n{}')],
    [
      'sends two lengths',
      () => answering('HTTP/1.1 401 No\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n{}'),
    ],
    ['switches protocols', () => answering('HTTP/1.1 101 S\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n')],
    ['says that it continues, for ever', () => serveRaw(repeat('HTTP/1.1 100 Continue\r\n\r\n'))],
    ['answers 500', () => serve((_, response) => reply(response, 500))],
    ['answers 429', () => serve((_, response) => reply(response, 429, '', { 'retry-after': '1' }))],
  ])('%s: not ready', async (_, start) => {
    const report = await gate(await start(), { ...BRIEF, tryMs: 200 });
    expect(report.status).toBe('not-ready');
    expect(codes(report)).toEqual(['not-ready']);
  });

  it('ends in time, however long one try may take', async () => {
    const started = performance.now();
    await gate(await serveRaw(() => undefined), { timeoutMs: 400, tryMs: 60_000 });
    expect(performance.now() - started).toBeLessThan(1500);
  });

  function closing(bytes: string) {
    return serveRaw((socket) => socket.once('data', () => socket.end(bytes)));
  }
  function repeat(bytes: string) {
    return (socket: Socket) => {
      const timer = setInterval(() => socket.write(bytes), 20);
      socket.on('close', () => clearInterval(timer));
    };
  }
  function drip(head: string) {
    return (socket: Socket) => {
      socket.write(head);
      repeat('x')(socket);
    };
  }
});

describe('an open server', () => {
  it.each<[string, string, () => Promise<string>]>([
    ['200 without', 'open', () => serve((_, response) => reply(response, 200, STATS))],
    ['200 with any page', 'open', () => serve((_, response) => reply(response, 200, HTML))],
    ['204 without', 'open', () => serve((_, response) => reply(response, 204))],
    ['200 that breaks off', 'open', () => answering('HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n{')],
    ['200 in HTTP/1.0', 'open', () => answering(`HTTP/1.0 200 OK\r\n\r\n${STATS}`)],
    ['200 without end', 'open', () => serveRaw(flood('HTTP/1.1 200 OK\r\n\r\n'))],
    [
      '200 for ?token=',
      'open-by-empty-token',
      () => serve(openWhere(({ query }) => query.get('token') === '')),
    ],
    [
      '200 for any bearer',
      'wrong-bearer-accepted',
      () => serve(openWhere(({ bearer }) => bearer !== undefined)),
    ],
    ['the first visit', 'first-visit', () => serve(page('<input name="username"><input name="password">'))],
    ['guests', 'guest-mode-on', () => serve(page(`${LOGIN_PAGE}<input type="button" value="Guest Mode">`))],
    ['any password', 'open', () => serve(anyPassword)],
  ])('%s: %s', async (_, code, start) => {
    const report = await gate(await start(), { tryMs: 500 });
    expect([report.status, codes(report).at(-1)]).toEqual(['open', code]);
  });

  it('is never proven where it is open now and then', async () => {
    let asking = 0;
    const flapping = soundBut((_, response) => ++asking % 12 === 0 && !!reply(response, 200, STATS));
    expect((await gate(await serve(flapping))).status).toBe('open');
  });

  it('is never proven where it is there now and then', async () => {
    let asking = 0;
    const flapping = soundBut((_, response) => ++asking % 7 === 0 && !!reply(response, 503));
    expect((await gate(await serve(flapping), BRIEF)).status).toBe('not-ready');
  });

  const openWhere = (open: (what: ReturnType<typeof asked>) => boolean) =>
    soundBut((request, response) => open(asked(request)) && !!reply(response, 200, STATS));
  const page = (body: string) =>
    soundBut((request, response) => {
      const isPage = asked(request).path === '/login' && request.method === 'GET';
      if (request.method === 'POST') throw new Error('the form was posted');
      return isPage && !!reply(response, 200, body);
    });
  const anyPassword = soundBut(
    (request, response) =>
      request.method === 'POST' && !!reply(response, 302, '', { location: '/', 'set-cookie': 'S=1' }),
  );
});

describe('a server that refuses, or is another', () => {
  const onBearer = (status: number, body: string, headers = {}) =>
    soundBut(
      (request, response) => asked(request).bearer === BEARER && !!reply(response, status, body, headers),
    );

  const huge = soundBut((request, response) => {
    if (asked(request).bearer !== BEARER) return false;
    response.end(Buffer.alloc(100_000_000, 0x78));
    return true;
  });
  const missing: Handler = (_, response) => reply(response, 404);

  it.each<[string, string, string, Handler]>([
    ['401 with the bearer', 'refused', 'bearer-refused', onBearer(401, '')],
    ['302 to /login with it', 'refused', 'bearer-refused', onBearer(302, '', { location: '/login' })],
    ['500 with it', 'not-ready', 'header-malformed', onBearer(500, '')],
    ['503 with it', 'not-ready', 'not-ready', onBearer(503, '')],
    ['200 HTML with it', 'unknown', 'not-comfyui', onBearer(200, HTML)],
    ['200 and broken JSON', 'unknown', 'not-comfyui', onBearer(200, '{"system": {')],
    ['200 and other JSON', 'unknown', 'not-comfyui', onBearer(200, '{"system": null, "devices": []}')],
    ['200 and a zip of it', 'unknown', 'not-comfyui', onBearer(200, '', { 'content-encoding': 'gzip' })],
    ['100 MB', 'unknown', 'not-comfyui', huge],
    ['404 for everything', 'unknown', 'not-comfyui', missing],
  ])('%s: %s, %s', async (_, status, code, handler) => {
    const endless = ['header-malformed', 'not-ready'].includes(code) || handler === missing;
    const report = await gate(await serve(handler), endless ? BRIEF : {});
    expect([report.status, codes(report)]).toEqual([status, [code]]);
  });

  it('keeps memory small before a bomb and a flood', async () => {
    const bomb = gzipSync(Buffer.alloc(50_000_000));
    const url = await serve(
      soundBut((request, response) => {
        if (asked(request).bearer !== BEARER) return false;
        response.writeHead(200, { 'content-encoding': 'gzip' }).end(bomb);
        return true;
      }),
    );
    const before = process.memoryUsage().arrayBuffers;
    const reports = [await gate(url), await gate(await serveRaw(flood('HTTP/1.1 401 No\r\n\r\n')))];
    expect(reports.map(({ status }) => status)).toEqual(['unknown', 'refused']);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(40_000_000);
  });

  it('names the origin with which the bearer is good', async () => {
    const origin = 'https://ui.example';
    const picky = soundBut((request, response) => {
      const wants = asked(request).bearer === BEARER && request.headers.origin !== origin;
      return wants && !!reply(response, 401, '', { 'access-control-allow-origin': origin });
    });
    const url = await serve(picky);
    const report = await gate(url);
    expect([report.status, report.findings]).toEqual([
      'refused',
      [{ code: 'origin-required', args: { origin } }],
    ]);
    expect((await gate(url, { origin })).status).toBe('proved');
  });
});

/** Writes without end, as fast as it is read. */
function flood(head: string) {
  return (socket: Socket) => {
    const block = Buffer.alloc(65_536, 0x78);
    const pour = () => {
      while (socket.writable && socket.write(block));
    };
    socket.once('data', () => {
      socket.write(head);
      socket.on('drain', pour);
      pour();
    });
  };
}
