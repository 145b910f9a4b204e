import { once } from 'node:events';
import { type IncomingHttpHeaders, request as plain } from 'node:http';
import { request as secure } from 'node:https';
import type { Socket } from 'node:net';

export interface Asked {
  method?: string;
  headers?: Record<string, string>;
  body?: string | Buffer;
  /** The address of the loopback that the request comes from. */
  from?: string;
  /** The certificate of who has signed the server's. */
  ca?: string;
}

export interface Answer {
  status: number;
  location: string | undefined;
  headers: IncomingHttpHeaders;
  /** The cookie as it is sent back, and with all that was said of it. */
  cookie: string;
  setCookie: string;
  body: string;
  // biome-ignore lint/suspicious/noExplicitAny: what the JSON holds is what each test asserts
  json: any;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** One request on a connection of its own, exactly as given; redirects are not followed. */
export async function ask(url: string, asked: Asked = {}): Promise<Answer> {
  const { method = 'GET', headers = {}, body, from, ca } = asked;
  const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) };
  const options = {
    ...{ method, agent: false as const, headers: { ...length, ...headers } },
    ...(from !== undefined && { localAddress: from }),
    ...(ca !== undefined && { ca }),
  };
  const outgoing = url.startsWith('https:') ? secure(url, options) : plain(url, options);
  outgoing.end(body);
  const [response] = await once(outgoing, 'response');
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk);
  const text = Buffer.concat(chunks).toString('utf8');
  const setCookie = response.headers['set-cookie']?.[0] ?? '';
  const cookie = setCookie.split(';')[0] ?? '';
  const { statusCode: status, headers: given } = response;
  return {
    status,
    location: given.location,
    headers: given,
    cookie,
    setCookie,
    body: text,
    json: parsed(text),
  };
}

export const statusOf = async (url: string, asked?: Asked): Promise<number> => (await ask(url, asked)).status;

export const bearer = (token: string, more: Asked = {}): Asked => ({
  ...more,
  headers: { ...more.headers, authorization: `Bearer ${token}` },
});

export const withCookie = (cookie: string, more: Asked = {}): Asked => ({
  ...more,
  headers: { ...more.headers, cookie },
});

/** A form as a browser sends it. */
export const form = (fields: Record<string, string>, more: Asked = {}): Asked => ({
  ...more,
  method: 'POST',
  headers: { ...more.headers, 'content-type': 'application/x-www-form-urlencoded' },
  body: new URLSearchParams(fields).toString(),
});

/** Sends the login form. */
export const login = (url: string, password: string, more: Asked = {}): Promise<Answer> =>
  ask(`${url}/login`, form({ password }, more));

/** Opens a WebSocket; gives the status of the answer, and the first message where it was let in. */
export async function webSocket(
  url: string,
  headers: Record<string, string> = {},
): Promise<{ status: number; first?: string; next: () => Promise<string>; close: () => void }> {
  const upgrade = {
    ...{ connection: 'Upgrade', upgrade: 'websocket' },
    ...{ 'sec-websocket-version': '13', 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==' },
  };
  const outgoing = plain(url, { agent: false, headers: { ...headers, ...upgrade } });
  outgoing.end();
  const answered = new AbortController();
  const { signal } = answered;
  const upgraded = once(outgoing, 'upgrade', { signal });
  const refused = once(outgoing, 'response', { signal });
  upgraded.catch(() => undefined);
  refused.catch(() => undefined);
  const [response, socket, head] = await Promise.race([upgraded, refused]);
  answered.abort();
  const close = () => response.socket.destroy();
  if (socket === undefined) {
    response.resume();
    close();
    return { status: response.statusCode, next: () => Promise.reject(new Error('refused')), close };
  }
  const messages = frames(socket as Socket, head as Buffer);
  const next = async () => (await messages.next()).value as string;
  return { status: response.statusCode, first: await next(), next, close };
}

/** The messages of a server's socket: frames of text, none of them long. */
async function* frames(socket: Socket, head: Buffer): AsyncGenerator<string> {
  let data = head;
  const chunks = socket[Symbol.asyncIterator]();
  for (;;) {
    const short = data.length < 2 ? 0 : (data[1] as number) & 0x7f;
    const start = short === 126 ? 4 : 2;
    const end = start + (short === 126 && data.length >= 4 ? data.readUInt16BE(2) : short);
    if (data.length >= start && data.length >= end) {
      yield data.subarray(start, end).toString('utf8');
      data = data.subarray(end);
      continue;
    }
    const { value, done } = await chunks.next();
    if (done) return;
    data = Buffer.concat([data, value]);
  }
}
