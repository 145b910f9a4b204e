import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTcpServer, type Socket, type Server as TcpServer } from 'node:net';
import bcrypt from 'bcryptjs';
import { afterEach } from 'vitest';
import { Secret } from '../../../src/model/secret.ts';
import { systemClock } from '../../../src/platform/clock.ts';
import type { ProbeReport } from '../../../src/probe/check.ts';
import { type GateOptions, prove } from '../../../src/probe/gate.ts';

export const PASSWORD = `canary-${crypto.randomUUID()}`;
export const BEARER = bcrypt.hashSync(PASSWORD, 4);
export const STATS = JSON.stringify({ system: { comfyui_version: '0.3.64' }, devices: [] });
export const LOGIN_PAGE = '<form action="/login"><input type="password" name="password"></form>';

export type Handler = (request: IncomingMessage, response: ServerResponse) => void;

const running: (Server | TcpServer)[] = [];
const sockets = new Set<Socket>();

afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  await Promise.all(running.splice(0).map((server) => new Promise((done) => server.close(done))));
});

async function listen(server: Server | TcpServer, port = 0): Promise<string> {
  running.push(server);
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('no port');
  return `http://127.0.0.1:${address.port}`;
}

/** A server that answers HTTP as the handler says; closed after the test. */
export const serve = (handler: Handler, port?: number): Promise<string> =>
  listen(createServer(handler), port);

/** A server that does with each connection what it likes; closed after the test. */
export const serveRaw = (handler: (socket: Socket) => void): Promise<string> =>
  listen(createTcpServer(handler));

/** The path without its query, and the bearer that came along. */
export const asked = (request: IncomingMessage) => {
  const url = new URL(request.url ?? '/', 'http://x');
  return {
    path: url.pathname,
    query: url.searchParams,
    bearer: request.headers.authorization?.split(' ')[1],
  };
};

export const reply = (response: ServerResponse, status: number, body = '', headers = {}) =>
  response.writeHead(status, headers).end(body);

/** As ComfyUI with a sound ComfyUI-Login; without the hole of F10. */
export const sound: Handler = (request, response) => {
  const { path, bearer } = asked(request);
  if (path === '/login' && request.method === 'GET') return reply(response, 200, LOGIN_PAGE);
  if (path === '/login') return login(request, response);
  if (bearer !== BEARER) return reply(response, 401, '{"error": "Authentication required."}');
  return reply(response, 200, STATS);
};

async function login(request: IncomingMessage, response: ServerResponse) {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const right = new URLSearchParams(Buffer.concat(chunks).toString()).get('password') === PASSWORD;
  if (right) reply(response, 302, '', { location: '/', 'set-cookie': 'S=1' });
  else reply(response, 302, '', { location: '/login?wrong_password=1' });
}

/** The sound server, but for the requests that `odd` takes on itself (it gives true then). */
export const soundBut =
  (odd: (request: IncomingMessage, response: ServerResponse) => unknown): Handler =>
  (request, response) => {
    if (odd(request, response) !== true) sound(request, response);
  };

/** For a server that only the deadline ends. */
export const BRIEF = { timeoutMs: 600 };

/** A gate that does not pause for long. */
export const gate = (url: string, options: Partial<GateOptions> = {}): Promise<ProbeReport> =>
  prove({
    url,
    credential: { username: 'admin', bearer: new Secret(BEARER), password: new Secret(PASSWORD) },
    rounds: 3,
    timeoutMs: 20_000,
    maxPauseMs: 50,
    clock: systemClock,
    ...options,
  });

export const codes = (report: ProbeReport) => report.findings.map(({ code }) => code);
