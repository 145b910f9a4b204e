import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';

const COOKIE = 'AIOHTTP_SESSION';
const KEY_AGE_LIMIT_MS = 30 * 24 * 3600 * 1000;

/** A date as Python's `fromisoformat` takes it, without a time zone: with one, comparing it with now fails. */
const NAIVE_DATE = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d{3,6})?)?$/;

const FERNET_KEY = /^[A-Za-z0-9_-]{43}=$/;

export interface Session {
  logged_in?: boolean;
  guest_mode?: boolean;
  username?: string;
}

function readKey(path: string): { key: string; date: string } | undefined {
  let content: string;
  try {
    content = readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
  const [key = '', date, ...more] = content.split(',');
  if (date === undefined || more.length > 0)
    throw new Error('not enough values to unpack (expected 2, got 1)');
  if (!NAIVE_DATE.test(date)) throw new Error('Invalid isoformat string');
  return { key, date };
}

const freshKey = () => `${randomBytes(32).toString('base64url')}=`;

const localIsoDate = () => new Date().toLocaleString('sv-SE').replace(' ', 'T');

/**
 * The key of the session cookies; made where there is none, or an old one. Throws where the file cannot be
 * read as the node reads it: its import fails then (container.md O4 – O7).
 */
export function sessionKey(path: string): string {
  const stored = readKey(path);
  const isOld = stored !== undefined && Date.now() - new Date(stored.date).getTime() > KEY_AGE_LIMIT_MS;
  const key = stored === undefined || isOld ? freshKey() : stored.key;
  if (key !== stored?.key) writeFileSync(path, `${key},${localIsoDate()}`);
  if (!FERNET_KEY.test(key)) throw new Error('Fernet key must be 32 url-safe base64-encoded bytes.');
  return key;
}

/** A new key in place of the stored one, for its owner alone: no cookie of before opens anything. */
export function renewKey(path: string): string {
  const key = freshKey();
  writeFileSync(path, `${key},${localIsoDate()}`, { mode: 0o600 });
  chmodSync(path, 0o600);
  return key;
}

const sign = (key: string, payload: string) => createHmac('sha256', key).update(payload).digest();

/** A `Set-Cookie` value that holds the session. The node encrypts it; here it is signed. */
export function sessionCookie(key: string, session: Session): string {
  const payload = Buffer.from(JSON.stringify(session)).toString('base64url');
  return `${COOKIE}=${payload}.${sign(key, payload).toString('base64url')}; HttpOnly; Path=/`;
}

/** The session that a `Cookie` header carries; an empty one where it carries none, or not one of this key. */
export function readSession(key: string, header: string | undefined): Session {
  const value = new RegExp(`(?:^|;\\s*)${COOKIE}=([\\w-]+)\\.([\\w-]+)`).exec(header ?? '');
  const [, payload = '', mac = ''] = value ?? [];
  const given = Buffer.from(mac, 'base64url');
  const right = sign(key, payload);
  if (given.length !== right.length || !timingSafeEqual(given, right)) return {};
  return JSON.parse(Buffer.from(payload, 'base64url').toString('utf8')) as Session;
}
