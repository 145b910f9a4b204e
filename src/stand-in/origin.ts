import { isIP } from 'node:net';
import { type Exchange, nothing, type Reply } from './exchange.ts';

const isLoopback = (host: string) =>
  host === 'localhost' || host === '[::1]' || (isIP(host) === 4 && host.startsWith('127.'));

/** What ComfyUI does before any login: it answers OPTIONS, and refuses another site's page on the loopback. */
export function answerEarly(exchange: Exchange, corsOrigin: string | undefined): Reply | undefined {
  const origin = exchange.header('origin');
  const host = exchange.header('host');
  if (corsOrigin === undefined && origin !== undefined && host !== undefined && URL.canParse(origin)) {
    const from = new URL(origin);
    const to = new URL(`http://${host}`);
    const same = from.port === '' ? from.hostname === to.hostname : from.host === to.host;
    if (isLoopback(to.hostname) && !same) return nothing(403);
  }
  return exchange.method === 'OPTIONS' ? nothing(200) : undefined;
}

/** The headers that ComfyUI adds where it was started with `--enable-cors-header`. */
export const corsHeaders = (corsOrigin: string | undefined): Record<string, string> =>
  corsOrigin === undefined
    ? {}
    : {
        'access-control-allow-origin': corsOrigin,
        'access-control-allow-methods': 'POST, GET, DELETE, PUT, OPTIONS',
        'access-control-allow-headers': 'Content-Type, Authorization',
        'access-control-allow-credentials': 'true',
      };
