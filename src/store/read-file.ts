import { createHash } from 'node:crypto';
import {
  type BigIntStats,
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readFileSync,
  statSync,
} from 'node:fs';
import type { Owner } from '../model/layout.ts';
import { errnoOf } from './system-call.ts';

/** What tells one state of a file from another: a rewrite changes at least one of these. */
export interface FileIdentity {
  dev: bigint;
  ino: bigint;
  size: number;
  mtimeNs: bigint;
  /** SHA-256 of the bytes, hex. Never shown: it would let a short secret be guessed. */
  digest: string;
}

export interface RegularFile {
  kind: 'file';
  bytes: Buffer;
  identity: FileIdentity;
  /** Permission bits, e.g. 0o600. */
  mode: number;
  owner: Owner;
  /** How many names the file has. */
  links: number;
}

export type ReadResult =
  | { kind: 'missing' }
  /** `what` is in words: `a folder`, `a symbolic link`, `a FIFO`, `a socket`, `a device`. */
  | { kind: 'not-a-file'; what: string }
  /** `code` is the system's errno; `EFBIG` where the file is larger than `maxBytes`. */
  | { kind: 'unreadable'; code: string }
  | RegularFile;

const DEFAULT_MAX_BYTES = 64 * 1024 * 1024;

// Absent on Windows. NONBLOCK: opening a FIFO must not wait for a writer.
const READ_FLAGS = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0);
const NO_FOLLOW = constants.O_NOFOLLOW ?? 0;

/** What something is that is no regular file; undefined for a regular file. */
function otherKind(stats: BigIntStats): string | undefined {
  if (stats.isFile()) return undefined;
  if (stats.isDirectory()) return 'a folder';
  if (stats.isSymbolicLink()) return 'a symbolic link';
  if (stats.isFIFO()) return 'a FIFO';
  return stats.isSocket() ? 'a socket' : 'a device';
}

export const digestOf = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

export function sameIdentity(a: FileIdentity, b: FileIdentity): boolean {
  return (
    a.dev === b.dev &&
    a.ino === b.ino &&
    a.size === b.size &&
    a.mtimeNs === b.mtimeNs &&
    a.digest === b.digest
  );
}

function readOpened(fd: number, maxBytes: number): ReadResult {
  const stats = fstatSync(fd, { bigint: true });
  const what = otherKind(stats);
  if (what !== undefined) return { kind: 'not-a-file', what };
  if (stats.size > maxBytes) return { kind: 'unreadable', code: 'EFBIG' };
  const bytes = readFileSync(fd);
  const { dev, ino, mtimeNs } = stats;
  return {
    kind: 'file',
    bytes,
    identity: { dev, ino, size: Number(stats.size), mtimeNs, digest: digestOf(bytes) },
    mode: Number(stats.mode & 0o7777n),
    owner: { uid: Number(stats.uid), gid: Number(stats.gid) },
    links: Number(stats.nlink),
  };
}

/**
 * Reads a regular file with its identity. Never throws, follows no symbolic link unless `follow` is given, opens
 * nothing that is no regular file, and never waits. A parent that is no folder makes the path unreadable (`ENOTDIR`), not
 * missing: it could not be created either.
 */
export function readRegular(path: string, options: { maxBytes?: number; follow?: boolean } = {}): ReadResult {
  const { follow = false } = options;
  try {
    const what = otherKind((follow ? statSync : lstatSync)(path, { bigint: true }));
    if (what !== undefined) return { kind: 'not-a-file', what };
    const fd = openSync(path, follow ? READ_FLAGS : READ_FLAGS | NO_FOLLOW);
    try {
      return readOpened(fd, options.maxBytes ?? DEFAULT_MAX_BYTES);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    const code = errnoOf(error);
    if (code === 'ENOENT') return { kind: 'missing' };
    // It became a link between the two calls.
    if (code === 'ELOOP') return { kind: 'not-a-file', what: 'a symbolic link' };
    return { kind: 'unreadable', code };
  }
}
