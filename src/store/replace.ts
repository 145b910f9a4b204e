import { randomBytes } from 'node:crypto';
import { closeSync, constants, fsyncSync, ftruncateSync, openSync, renameSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { Exit, Failure } from '../model/failure.ts';
import type { Owner } from '../model/layout.ts';
import { syncFolder } from './folder.ts';
import { type RegularFile, readRegular } from './read-file.ts';
import { attempt, errnoOf } from './system-call.ts';
import { ignoring, NEW_FILE_MODE, removeFile, setOwnerAndMode, writeAll, writeNew } from './write-new.ts';

export interface ReplaceOptions {
  /** An existing file keeps its mode unless this is given; a new one gets 0600. */
  mode?: number;
  /** An existing file keeps its owner unless this is given. */
  owner?: Owner;
}

/** 16 random hex digits: nobody can plant a file of that name beforehand. */
export const randomName = (): string => randomBytes(8).toString('hex');

/** A name beside `path`, hidden, that says whose it is and what for. */
export const nameBeside = (path: string, id: string, suffix: string): string =>
  join(dirname(path), `.${basename(path)}.${id}.${suffix}`);

const refusal = (code: string, path: string, message: string, remedy: string): Failure =>
  new Failure({ code, exit: Exit.usage, message: `${path}: ${message}`, remedy, location: { path } });

/** The Failure for a file that could not be read. */
export function unreadable(path: string, errno: string): Failure {
  return new Failure({
    code: 'file-unreadable',
    exit: Exit.unknown,
    message: `${path}: could not be read (${errno})`,
    remedy: 'Look at owner and mode (`ls -ld`), or run as a user who may read it.',
    location: { path },
  });
}

/**
 * What stands at a path that is to be replaced: a regular file with one name, or nothing. Throws a Failure for
 * anything else: a replaced link would leave its other name with the old content (reliability.md §2).
 */
export function replaceable(path: string): RegularFile | undefined {
  const found = readRegular(path);
  if (found.kind === 'missing') return undefined;
  if (found.kind === 'not-a-file') {
    throw refusal(
      'not-a-file',
      path,
      `is ${found.what}, not a file`,
      'Put a regular file there, or correct the path.',
    );
  }
  if (found.kind === 'unreadable') {
    throw unreadable(path, found.code);
  }
  if (found.links > 1) {
    throw refusal(
      'hard-link',
      path,
      `has ${found.links} names (hard links); the others would keep the old content`,
      'Give it one name: copy it, and move the copy onto the path.',
    );
  }
  return found;
}

/** The Failure for a path that is a mount of its own: only its folder could be renamed in. */
export function mountPoint(path: string): Failure {
  return new Failure({
    code: 'mount-point',
    exit: Exit.rolledBack,
    message: `${path}: is mounted by itself, so it cannot be replaced in one step`,
    remedy: 'Mount the folder around it instead of the file.',
    location: { path },
  });
}

/** Reads a written file back; throws a Failure where it is not what was written. */
export function readBack(path: string, bytes: Buffer): RegularFile {
  const found = readRegular(path);
  if (found.kind === 'file' && found.bytes.equals(bytes)) return found;
  throw new Failure({
    code: 'write-failed',
    exit: Exit.rolledBack,
    message: `${path}: does not read back as it was written`,
    remedy: 'Look at the disk, and for another program that writes this file.',
    location: { path },
  });
}

/**
 * Replaces one file, or makes it: never half written, owner and mode kept, durable, read back (reliability.md
 * §2). Throws a Failure and leaves the old file where anything fails before the rename; `mount-point` where the
 * path is a mount of its own (then `replaceInPlace` may do).
 */
export function replaceFile(path: string, bytes: Buffer, options: ReplaceOptions = {}): void {
  const old = replaceable(path);
  const temp = nameBeside(path, randomName(), 'new');
  writeNew(temp, bytes, options.mode ?? old?.mode ?? NEW_FILE_MODE, options.owner ?? old?.owner);
  try {
    renameSync(temp, path);
  } catch (error) {
    ignoring(() => removeFile(temp));
    if (errnoOf(error) === 'EBUSY') throw mountPoint(path);
    attempt('replace it', path, () => {
      throw error;
    });
  }
  syncFolder(dirname(path));
  readBack(path, bytes);
}

/**
 * Overwrites a file where it stands: only for a file that is a mount of its own, which cannot be renamed onto
 * (reliability.md §1.8). The new bytes go over the old ones before the rest is cut off, so that the file is never
 * empty: an empty PASSWORD opens the server (domain.md §2). Throws a Failure; the file may then be torn.
 */
export function replaceInPlace(path: string, bytes: Buffer, options: ReplaceOptions = {}): void {
  const old = replaceable(path);
  const flags = constants.O_WRONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);
  const fd = attempt('open it', path, () => openSync(path, flags));
  try {
    setOwnerAndMode(fd, path, options.mode ?? old?.mode ?? NEW_FILE_MODE, options.owner ?? old?.owner);
    attempt('write it', path, () => writeAll(fd, bytes));
    attempt('cut it', path, () => ftruncateSync(fd, bytes.length));
    attempt('bring it to the disk', path, () => fsyncSync(fd));
  } finally {
    ignoring(() => closeSync(fd));
  }
  readBack(path, bytes);
}
