import type { IncomingMessage } from 'node:http';

/** ComfyUI's default for `--max-upload-size`. */
const MAX_BODY_BYTES = 100 * 1024 * 1024;

/** A request as a handler sees it. */
export interface Exchange {
  method: string;
  /** Percent-decoded, as the login compares it. */
  path: string;
  /** The parts of the path, each decoded by itself: a `%2F` does not divide. */
  segments: string[];
  query: URLSearchParams;
  header(name: string): string | undefined;
  body(): Promise<Buffer>;
}

export interface Reply {
  status: number;
  headers: Record<string, string>;
  body: string | Buffer;
  /** Thrown by its handler, as aiohttp allows: what stands around the handler adds no headers to it. */
  raised?: true;
}

const decode = (text: string) => {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
};

async function readAll(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) throw new RangeError('Maximum request body size exceeded');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Reads what came over the wire. */
export function exchangeOf(request: IncomingMessage): Exchange {
  const [raw = '/', ...search] = (request.url ?? '/').split('?');
  const segments = raw.split('/').slice(1).map(decode);
  return {
    method: request.method ?? 'GET',
    path: `/${segments.join('/')}`,
    segments,
    query: new URLSearchParams(search.join('?')),
    header: (name) => {
      const value = request.headers[name];
      return Array.isArray(value) ? value[0] : value;
    },
    body: () => readAll(request),
  };
}

export function json(value: unknown, status = 200): Reply {
  return {
    status,
    headers: { 'content-type': 'application/json; charset=utf-8' },
    body: JSON.stringify(value),
  };
}

export function text(body: string, status: number): Reply {
  return { status, headers: { 'content-type': 'text/plain; charset=utf-8' }, body };
}

export function html(body: string): Reply {
  return { status: 200, headers: { 'content-type': 'text/html; charset=utf-8' }, body };
}

export function found(location: string): Reply {
  return { ...text('302: Found', 302), headers: { 'content-type': 'text/plain; charset=utf-8', location } };
}

export const nothing = (status: number): Reply => ({ status, headers: {}, body: '' });
