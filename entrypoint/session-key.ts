import { randomBytes } from 'node:crypto';
import { closeSync, constants, futimesSync, lstatSync, openSync } from 'node:fs';
import { join } from 'node:path';
import type { Owner } from '../src/model/layout.ts';
import { readRegular } from '../src/store/read-file.ts';
import { ignoring } from '../src/store/write-new.ts';
import { exitOfErrno, Refusal } from './exit.ts';
import { writeFileFor, writing } from './password-file.ts';

/** `<Fernet key>,<date without a time zone>`, as ComfyUI-Login writes and reads it. */
const CONTENT = /^[A-Za-z0-9_-]{43}=,\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?$/;

/** The key of the login's session cookies, in the node's own folder (domain.md §2). */
export const sessionKeyPath = (nodeFolder: string): string => join(nodeFolder, '.secret-key.txt');

/**
 * Refuses a key file on which the node's import would fail, which opens the server (container.md O5, O6, O7).
 * Gives whether there is a key. Throws a `Refusal` (78; 74 or 77 where it cannot be read).
 */
export function checkSessionKey(path: string): boolean {
  const found = readRegular(path);
  if (found.kind === 'missing') return false;
  if (found.kind === 'unreadable') {
    throw new Refusal({
      code: 'file-unreadable',
      exit: exitOfErrno(found.code),
      message: `${path} cannot be read (${found.code})`,
      remedy: `look at owner and mode (ls -ld ${path}), or start the container as root`,
    });
  }
  const fault = found.kind === 'file' ? faultOf(found.bytes) : `is ${found.what}`;
  if (fault === undefined) return true;
  throw new Refusal({
    code: 'session-key-broken',
    message: `${path} ${fault}: ComfyUI-Login would fail to load, and ComfyUI would serve anyone`,
    remedy: `remove ${path}: a new key is made at the next start, and everybody logs in again`,
  });
}

function isKey(path: string): boolean {
  const found = readRegular(path);
  return found.kind === 'file' && faultOf(found.bytes) === undefined;
}

function faultOf(bytes: Buffer): string | undefined {
  const content = bytes.toString('latin1');
  if (CONTENT.test(content)) return undefined;
  if (content.trim() === '') return 'is empty';
  const [key = '', date] = content.split(',');
  if (date === undefined) return 'has no date behind the key';
  if (!/^[A-Za-z0-9_-]{43}=$/.test(key)) return 'holds no Fernet key';
  return /(?:Z|[+-]\d\d:?\d\d)\s*$/i.test(date)
    ? 'has a date with a time zone'
    : 'has a date that cannot be read';
}

/**
 * Leaves a key that ComfyUI's user alone can read: whoever reads it forges sessions. `renew` makes a new one,
 * which ends all sessions (container.md F11, F12). Throws a `Refusal` (74, 77) where it cannot be written.
 */
export function provisionSessionKey(path: string, owner: Owner, renew: boolean): void {
  writing(path, () => {
    const now = readRegular(path);
    try {
      writeFileFor(path, now.kind === 'file' && !renew ? now.bytes : newKey(), owner);
    } catch (error) {
      // Containers that share the folder make one at the same time: where there was none any of them will do.
      if (now.kind !== 'missing' || !isKey(path)) throw error;
    }
  });
}

/**
 * Whether PASSWORD was written after the key was: by whoever rotates the credential on the host. The sessions of the old
 * one would go on (container.md F11).
 */
export function isOutdated(keyPath: string, passwordPath: string): boolean {
  const [key, password] = [keyPath, passwordPath].map((path) => lstatSync(path, { throwIfNoEntry: false }));
  return key !== undefined && password !== undefined && password.mtimeMs > key.mtimeMs;
}

/** Says by its time that a key belongs to the PASSWORD that was only put right: its owner, its mode, its user name. */
export function confirmSessionKey(path: string): void {
  // By descriptor: whoever owns the folder could put a link there in the meantime.
  ignoring(() => {
    const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    const now = new Date();
    ignoring(() => futimesSync(fd, now, now));
    closeSync(fd);
  });
}

function newKey(): Buffer {
  const key = randomBytes(32).toString('base64').replaceAll('+', '-').replaceAll('/', '_');
  // The node compares with its local time; a day's difference does not matter within 30 days.
  return Buffer.from(`${key},${new Date().toISOString().replace('Z', '')}`);
}
