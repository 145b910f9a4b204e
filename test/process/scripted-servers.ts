import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer, type ServerOptions } from 'node:https';
import { createServer as createTcpServer, type Socket, type Server as TcpServer } from 'node:net';
import { cheapHash } from './deployment.ts';

export const PASSWORD = `canary-${crypto.randomUUID()}`;
export const BEARER = cheapHash(PASSWORD);
export const STATS = JSON.stringify({ system: { comfyui_version: '0.3.64' }, devices: [] });
export const LOGIN_PAGE = '<form action="/login"><input type="password" name="password"></form>';

export type Handler = (request: IncomingMessage, response: ServerResponse) => unknown;
export type Wire = (socket: Socket) => unknown;

/** The servers of one test, and what they were sent. */
export class Servers {
  readonly #running: (Server | TcpServer)[] = [];
  readonly #sockets = new Set<Socket>();

  /** A server that answers HTTP as the handler says. */
  http(handler: Handler, port?: number): Promise<string> {
    return this.#listen(createServer(handler), port);
  }

  /** A server without a port: connections are given to it. */
  handling(handler: Handler): Server {
    return createServer(handler);
  }

  /** The same behind TLS. */
  async tls(handler: Handler, options: ServerOptions): Promise<string> {
    return (await this.#listen(createTlsServer(options, handler))).replace('http:', 'https:');
  }

  /** A server that does with each connection what it likes. */
  raw(wire: Wire, port?: number): Promise<string> {
    return this.#listen(createTcpServer(wire), port);
  }

  /** A server that answers nothing, and keeps all that it is sent. */
  async elsewhere(): Promise<Elsewhere> {
    let bytes = '';
    const url = await this.raw((socket) => {
      socket.on('data', (chunk) => {
        bytes += chunk.toString('latin1');
      });
    });
    return { url, port: new URL(url).port, bytes: () => bytes };
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all(this.#running.splice(0).map((server) => new Promise((done) => server.close(done))));
  }

  async #listen(server: Server | TcpServer, port = 0): Promise<string> {
    this.#running.push(server);
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => this.#sockets.delete(socket));
    });
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    return `http://127.0.0.1:${portOf(server)}`;
  }
}

export interface Elsewhere {
  url: string;
  port: string;
  bytes: () => string;
}

function portOf(server: Server | TcpServer): number {
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('no port');
  return address.port;
}

/** A port on which nothing listens now. */
export async function freePort(): Promise<number> {
  const server = createTcpServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const port = portOf(server);
  server.close();
  await once(server, 'close');
  return port;
}

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
    if (odd(request, response) !== true) return sound(request, response);
    return undefined;
  };

/** Each of the gate's requests, told by what a server can see of it. */
export const IS = {
  anonymous: (request: IncomingMessage) =>
    request.url === '/system_stats' && asked(request).bearer === undefined,
  'empty-token': (request: IncomingMessage) => request.url === '/system_stats?token=',
  'wrong-bearer': (request: IncomingMessage) =>
    asked(request).bearer !== undefined && asked(request).bearer !== BEARER,
  bearer: (request: IncomingMessage) => asked(request).bearer === BEARER,
  'login-page': (request: IncomingMessage) => request.url === '/login' && request.method === 'GET',
  suffix: (request: IncomingMessage) => request.url === '/object_info/x.js',
  form: (request: IncomingMessage) => request.method === 'POST',
} as const;
export type Asking = keyof typeof IS;

/** The sound server, but for one of the gate's requests, which is answered so. */
export const soundButFor = (asking: Asking, answer: Handler): Handler =>
  soundBut((request, response) => {
    if (!IS[asking](request)) return false;
    answer(request, response);
    return true;
  });

/** The sound server, but one of the gate's requests gets these bytes instead of an answer. */
export const bytesFor = (asking: Asking, wire: Wire): Handler =>
  soundButFor(asking, (request) => wire(request.socket));

/** A handler that gives the same answer to all. */
export const always =
  (status: number, body = '', headers: object = {}): Handler =>
  (_, response) =>
    reply(response, status, body, headers);

/** Writes bytes, and leaves the connection open. */
export const writing =
  (...parts: (string | Buffer)[]): Wire =>
  (socket) => {
    for (const part of parts) socket.write(part);
  };

/** Writes bytes, and ends the connection. */
export const closing =
  (bytes: string): Wire =>
  (socket) =>
    socket.end(bytes);

/** Writes bytes, and breaks the connection off once they are on their way. */
export const breaking =
  (bytes = ''): Wire =>
  (socket) =>
    bytes === '' ? socket.resetAndDestroy() : socket.write(bytes, () => socket.resetAndDestroy());

/** Waits for the request before it does anything. */
export const onRequest =
  (wire: Wire): Wire =>
  (socket) =>
    socket.once('data', () => wire(socket));

/** Writes a beginning at once, and then a little now and then. */
export const dripping =
  (head: string, drop = 'x'): Wire =>
  (socket) => {
    socket.write(head);
    const timer = setInterval(() => socket.write(drop), 20);
    socket.on('close', () => clearInterval(timer));
  };

/** Writes without end, as fast as it is read. */
export const flooding =
  (head: string, block: Buffer | string = Buffer.alloc(65_536, 0x78)): Wire =>
  (socket) => {
    const pour = () => {
      while (socket.writable && socket.write(block));
    };
    socket.write(head);
    socket.on('drain', pour);
    pour();
  };
