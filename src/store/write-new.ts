import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  fsyncSync,
  openSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { Exit, Failure } from '../model/failure.ts';
import type { Owner } from '../model/layout.ts';
import { attempt, exists } from './system-call.ts';

export const NEW_FILE_MODE = 0o600;

const CREATE_FLAGS = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | (constants.O_NOFOLLOW ?? 0);

/** Windows has neither owners nor permission bits in this sense; there the folder's access list decides. */
export const HAS_OWNERS = process.platform !== 'win32';

/** Writes to the last byte, from the file's start: a short write is no error to the system, but a torn file to us. */
export function writeAll(fd: number, bytes: Buffer): void {
  let written = 0;
  while (written < bytes.length) {
    written += writeSync(fd, bytes, written, bytes.length - written, written);
  }
}

/** Gives an open file its owner and mode, and asks the system whether both took. The owner first: chown clears bits. */
export function setOwnerAndMode(fd: number, path: string, mode: number, owner: Owner | undefined): void {
  if (!HAS_OWNERS) return;
  const before = attempt('look at it', path, () => fstatSync(fd));
  if (owner !== undefined && (before.uid !== owner.uid || before.gid !== owner.gid)) {
    attempt(`give it the owner ${owner.uid}:${owner.gid}`, path, () => fchownSync(fd, owner.uid, owner.gid));
  }
  attempt('set its mode', path, () => fchmodSync(fd, mode));
  const stats = attempt('look at it', path, () => fstatSync(fd));
  const taken =
    (stats.mode & 0o7777) === mode &&
    (owner === undefined || (stats.uid === owner.uid && stats.gid === owner.gid));
  if (taken) return;
  throw new Failure({
    code: 'write-failed',
    exit: Exit.rolledBack,
    message: `${path}: the file system did not take the owner or the mode`,
    remedy: 'Keep the file on a file system that has owners and modes.',
    location: { path },
  });
}

/**
 * Writes a file that must not exist yet, durably (reliability.md §2): 0600 until its owner is set, each byte,
 * owner, mode, fsync. Removes what it began where that fails, and throws the Failure.
 */
export function writeNew(path: string, bytes: Buffer, mode = NEW_FILE_MODE, owner?: Owner): void {
  const fd = attempt('create it', path, () => openSync(path, CREATE_FLAGS, NEW_FILE_MODE));
  let open = true;
  try {
    attempt('write it', path, () => writeAll(fd, bytes));
    setOwnerAndMode(fd, path, mode, owner);
    // After a failed fsync the kernel may have dropped the pages: never tried again, the file is discarded.
    attempt('bring it to the disk', path, () => fsyncSync(fd));
    open = false;
    attempt('close it', path, () => closeSync(fd));
  } catch (error) {
    if (open) ignoring(() => closeSync(fd));
    ignoring(() => unlinkSync(path));
    throw error;
  }
}

/** For cleaning up on the way out of a failure, which is the one to be reported. */
export function ignoring(call: () => void): void {
  try {
    call();
  } catch {
    // What stays behind is named in the journal, or is harmless.
  }
}

/**
 * Removes a file; gives whether there was one. Asked only after an error: on a read-only file system even the
 * removal of nothing is refused, and nothing is what a failed staging leaves there.
 */
export function removeFile(path: string): boolean {
  return attempt('remove it', path, () => {
    try {
      unlinkSync(path);
      return true;
    } catch (error) {
      if (exists(path)) throw error;
      return false;
    }
  });
}
