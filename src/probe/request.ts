import {
  Agent as HttpAgent,
  request as httpRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
} from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { Clock } from '../platform/clock.ts';

/** Bytes of a body after which reading stops: ComfyUI's answers used here have less than 16 kB. */
const READ_BYTES = 64 * 1024;

/** Answers 1xx before the real one: each costs Node an object, and a server may send them without end. */
const MOST_HINTS = 50;

/** Bytes of a header: Node's own bound, said here so that no NODE_OPTIONS changes it. */
const HEADER_BYTES = 16 * 1024;

export interface ProbeRequest {
  method: 'GET' | 'POST';
  url: URL;
  headers: Record<string, string>;
  body?: string;
  /** Bounds the whole exchange, connecting included. */
  timeoutMs: number;
  /** How long the body of a 2xx is waited for, where that alone says enough. */
  successBodyMs?: number;
  signal?: AbortSignal | undefined;
}

/** The server sent at least its headers. `end` says whether the rest came, too. */
interface Reply {
  kind: 'reply';
  status: number;
  headers: IncomingHttpHeaders;
  /** As UTF-8; only its beginning where `end` is not `whole`. */
  body: string;
  end: 'whole' | 'too-long' | 'timeout' | 'reset';
}

/** No headers came. `code` is Node's code for the reason, never its message, which may hold a secret. */
interface Silence {
  kind: 'silence';
  code: string;
  /** Whether there was a connection to speak over, TLS included. */
  connected: boolean;
}

export type Answer = Reply | Silence;

const codeOf = (error: unknown): string => {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' && /^[A-Z0-9_]+$/.test(code) ? code : 'ERROR';
};

/** Keeps the first bytes of a body, and stops at a bound: a server may send without end. */
function readBody(response: IncomingMessage, done: (end: Reply['end'], body: string) => void) {
  const chunks: Buffer[] = [];
  let size = 0;
  const end = (how: Reply['end']) =>
    done(how, Buffer.concat(chunks).subarray(0, READ_BYTES).toString('utf8'));
  response.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    size += chunk.length;
    if (size > READ_BYTES) end('too-long');
  });
  response.on('end', () => end(response.complete ? 'whole' : 'reset'));
  response.on('error', () => end('reset'));
  response.on('close', () => end('reset'));
  return end;
}

function open(request: ProbeRequest) {
  const secure = request.url.protocol === 'https:';
  // An agent of its own: the default one may send the bearer through a proxy that the environment names.
  const agent = secure ? new HttpsAgent({ rejectUnauthorized: true }) : new HttpAgent();
  const body = request.body ?? '';
  return (secure ? httpsRequest : httpRequest)(request.url, {
    method: request.method,
    agent,
    maxHeaderSize: HEADER_BYTES,
    insecureHTTPParser: false,
    headers: {
      accept: 'application/json',
      'accept-encoding': 'identity',
      connection: 'close',
      ...(request.method === 'POST' && { 'content-length': Buffer.byteLength(body) }),
      ...request.headers,
    },
  });
}

/**
 * Sends one request and says what came back. Follows no redirect, decompresses nothing, uses no proxy,
 * is bounded in time and bytes (reliability.md §1.5). Rejects only with the signal's reason.
 */
export function ask(request: ProbeRequest, clock: Clock): Promise<Answer> {
  request.signal?.throwIfAborted();
  return new Promise((resolve, reject) => {
    const timer = new AbortController();
    let connected = false;
    let finishBody: ((end: Reply['end']) => void) | undefined;
    const outgoing = open(request);

    const settle = (act: () => void) => {
      timer.abort();
      request.signal?.removeEventListener('abort', onAbort);
      act();
      outgoing.destroy();
    };
    const onAbort = () => settle(() => reject(request.signal?.reason));
    const silent = (code: string) => settle(() => resolve({ kind: 'silence', code, connected }));

    request.signal?.addEventListener('abort', onAbort);
    clock.wait(request.timeoutMs, timer.signal).then(
      () => (finishBody === undefined ? silent('timeout') : finishBody('timeout')),
      () => undefined,
    );
    outgoing.on('socket', (socket) => {
      const ready = request.url.protocol === 'https:' ? 'secureConnect' : 'connect';
      socket.once(ready, () => {
        connected = true;
      });
    });
    // Once there are headers, the response tells by itself how its body ends.
    const ended = (code: string) => finishBody === undefined && silent(code);
    outgoing.on('error', (error) => ended(codeOf(error)));
    outgoing.on('close', () => ended('closed'));
    let hints = 0;
    outgoing.on('information', () => {
      hints += 1;
      if (hints === MOST_HINTS) silent('too-many-hints');
    });
    outgoing.on('response', (response) => {
      finishBody = readBody(response, (end, body) => {
        const { statusCode: status = 0, headers } = response;
        settle(() => resolve({ kind: 'reply', status, headers, body, end }));
      });
      const { statusCode = 0 } = response;
      if (request.successBodyMs === undefined || statusCode < 200 || statusCode > 299) return;
      clock.wait(request.successBodyMs, timer.signal).then(
        () => finishBody?.('timeout'),
        () => undefined,
      );
    });
    outgoing.end(request.body);
  });
}
