import { Exit, Failure } from '../model/failure.ts';

/** The base address of a server, checked: http or https, no user, no query, no fragment. */
export interface Address {
  /** The address of one of ComfyUI's own paths, e.g. `/system_stats`. */
  at(path: string): URL;
  /** Where a `Location` header leads, or undefined where it is none. */
  resolve(location: string | undefined): URL | undefined;
  /** Whether a URL is this path of this server, whatever its query. */
  is(url: URL, path: string): boolean;
  origin: string;
}

const unusable = (why: string): Failure =>
  new Failure({
    code: 'url-unusable',
    exit: Exit.usage,
    message: `The server's url ${why}.`,
    remedy: 'Give it as http://HOST:PORT or https://HOST, without user, password or query.',
  });

function parse(url: string): URL {
  try {
    return new URL(url);
  } catch {
    // Node's own error carries the whole text, and with it what may be a password.
    throw unusable('is not a url');
  }
}

/**
 * Reads a base address; a path in it stays in front of ComfyUI's paths.
 * Throws a `Failure` that does not repeat the text: it may hold a secret.
 */
export function readAddress(url: string): Address {
  const base = parse(url);
  if (base.protocol !== 'http:' && base.protocol !== 'https:') throw unusable('is neither http nor https');
  if (base.username !== '' || base.password !== '') throw unusable('holds a user or a password');
  if (base.search !== '' || base.hash !== '') throw unusable('holds a query or a fragment');
  const prefix = base.pathname.replace(/\/+$/, '');
  return {
    origin: base.origin,
    at: (path) => new URL(prefix + path, base),
    resolve: (location) =>
      location !== undefined && URL.canParse(location, base.href) ? new URL(location, base) : undefined,
    // The node redirects to `/login` whatever prefix a proxy in front of it adds.
    is: (target, path) =>
      target.origin === base.origin && (target.pathname === path || target.pathname === prefix + path),
  };
}

/** Throws a `Failure` where an origin cannot stand in a header. */
export function assertOrigin(origin: string | undefined): void {
  if (origin === undefined || /^[\x21-\x7e]+$/.test(origin)) return;
  throw new Failure({
    code: 'origin-unusable',
    exit: Exit.usage,
    message: 'The origin to send has characters that no header may hold.',
    remedy: 'Give it exactly as ComfyUI has it behind --enable-cors-header, e.g. https://ui.example',
  });
}
