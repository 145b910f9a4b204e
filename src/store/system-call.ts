import { lstatSync } from 'node:fs';
import { Exit, Failure } from '../model/failure.ts';

const REMEDIES: Record<string, string> = {
  ENOSPC: 'Free some space on that disk, then run the same command again.',
  EDQUOT: 'Free some of the quota on that disk, then run the same command again.',
  EROFS: 'That file system is mounted read-only: mount it writable, then run the same command again.',
  EACCES:
    'Look at owner and mode (`ls -ld` on the path and its folder), or run as a user who may write there.',
  EPERM: 'Look at owner, mode and attributes (`ls -ld`, `lsattr -d`), or run as a user who may change it.',
  EBUSY: 'The path is mounted by itself: mount the folder around it instead.',
};

/** The name of a system error (`ENOSPC`); Node's own message is never shown, as it can hold more than a path. */
export function errnoOf(error: unknown): string {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  return code ?? 'unknown error';
}

/** Runs a system call; its error becomes a Failure `write-failed` that names the path and the errno, no more. */
export function attempt<T>(doing: string, path: string, call: () => T): T {
  try {
    return call();
  } catch (error) {
    if (error instanceof Failure) throw error;
    const errno = errnoOf(error);
    throw new Failure({
      code: 'write-failed',
      exit: Exit.rolledBack,
      message: `${path}: could not ${doing} (${errno})`,
      remedy: REMEDIES[errno] ?? 'Look at the disk and the folder, then run the same command again.',
      location: { path },
      cause: error,
    });
  }
}

/** Runs a system call; gives undefined where it ends in one of these errors. */
export function unless<T>(expected: readonly string[], call: () => T): T | undefined {
  try {
    return call();
  } catch (error) {
    if (expected.includes(errnoOf(error))) return undefined;
    throw error;
  }
}

// A name that is too long for its file system stands for nothing, either.
const ABSENT = ['ENOENT', 'ENOTDIR', 'ENAMETOOLONG'];

/** Whether anything stands at a path, be it a broken link. Throws a Failure where that cannot be found out. */
export function exists(path: string): boolean {
  return attempt('look at it', path, () => unless(ABSENT, () => lstatSync(path))) !== undefined;
}
