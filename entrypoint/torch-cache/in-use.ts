import { closeSync, constants, openSync } from 'node:fs';
import { flock, SYSTEM_PATH } from '../../src/store/lock.ts';
import { unless } from '../../src/store/system-call.ts';

const FOLDER = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
const NO_FOLDER = ['ENOENT', 'ENOTDIR', 'ELOOP', 'EACCES'];

/** The store that ComfyUI of this container uses. Its descriptor, and so the lock, ends with this process at the latest. */
let held: number | undefined;

/** Keeps other containers from removing a store, by a shared lock on its folder; nothing where there is none. */
export function holdStore(path: string): void {
  const before = held;
  held = undefined;
  try {
    held = openSync(path, FOLDER);
    flock(held, 'shared', SYSTEM_PATH);
  } catch {
    // Not there yet; or a volume that cannot lock: it is used all the same.
  }
  // Only now: where it is the same store, it is held all the time.
  if (before !== undefined) closeSync(before);
}

/** Gives back what `holdStore` holds. */
export function releaseStore(): void {
  if (held !== undefined) closeSync(held);
  held = undefined;
}

/**
 * Does the work where nobody holds that folder, and keeps others from it meanwhile. Undefined where somebody does, or
 * where that cannot be found out, as on a volume that locks no folders.
 */
export function ifUnused<T>(path: string, work: () => T): T | undefined {
  const fd = unless(NO_FOLDER, () => openSync(path, FOLDER));
  if (fd === undefined) return undefined;
  try {
    return isFree(fd) ? work() : undefined;
  } finally {
    closeSync(fd);
  }
}

function isFree(fd: number): boolean {
  try {
    return flock(fd, 'exclusive', SYSTEM_PATH) === 'locked';
  } catch {
    return false;
  }
}
