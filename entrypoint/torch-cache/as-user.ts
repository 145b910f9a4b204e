import { lstatSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Owner } from '../../src/model/layout.ts';

const isRoot = () => process.geteuid?.() === 0;

/** Whether we are root, and ComfyUI is not: then nothing that its user can lead elsewhere may be done as root. */
export const isGuarded = (user: Owner | undefined): user is Owner =>
  user !== undefined && user.uid !== 0 && isRoot();

/**
 * Does the work with the rights of that user where we are root, else as we are: root would follow each link that the
 * user puts into a folder of its own. The work must not wait for anything: meanwhile all of this process has these rights.
 */
export function asUser<T>(user: Owner | undefined, work: () => T): T {
  if (!isGuarded(user)) return work();
  const gid = process.getegid?.() ?? 0;
  try {
    process.setegid?.(user.gid);
    process.seteuid?.(user.uid);
    return work();
  } finally {
    process.seteuid?.(0);
    process.setegid?.(gid);
  }
}

/** Whether a user can put something else in the place of a folder, or of one above it. A link counts as changed. */
export function canReplace(user: Owner, folder: string): boolean {
  const stats = lstatSync(folder, { throwIfNoEntry: false });
  if (stats === undefined || !stats.isDirectory() || stats.uid === user.uid) return true;
  const writable = (stats.mode & 0o002) !== 0 || ((stats.mode & 0o020) !== 0 && stats.gid === user.gid);
  // Where the sticky bit is set, each removes only what is its own.
  if (writable && (stats.mode & 0o1000) === 0) return true;
  return folder !== dirname(folder) && canReplace(user, dirname(folder));
}
