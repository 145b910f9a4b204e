import { closeSync, constants, existsSync, fchownSync, fstatSync, lstatSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Owner } from '../../src/model/layout.ts';
import { makeFolder, missingFolders } from '../../src/store/folder.ts';
import { exists } from '../../src/store/system-call.ts';
import { ignoring } from '../../src/store/write-new.ts';
import { asUser, canReplace, isGuarded } from './as-user.ts';

/**
 * Makes a folder, and those above it that are missing, for everyone to read, whatever our umask. Where we are root and
 * ComfyUI is another user it is that user's. Throws a Failure.
 */
export function makeSharedFolder(path: string, user?: Owner): void {
  if (isGuarded(user)) handOver(path, user);
  asUser(user, () => {
    if (existsSync(path)) return;
    for (const folder of [...missingFolders(path), path]) makeUnlessThere(folder);
  });
}

/** Another container that begins with the same cache may make it at the same moment. */
function makeUnlessThere(folder: string, owner?: Owner): void {
  try {
    makeFolder(folder, { mode: 0o755, ...(owner !== undefined && { owner }) });
  } catch (error) {
    if (!lstatSync(folder, { throwIfNoEntry: false })?.isDirectory()) throw error;
  }
}

/** Gives the user the folder that it cannot make itself. Root does so only where the user cannot lead it elsewhere. */
function handOver(path: string, user: Owner): void {
  const [outermost = path] = missingFolders(path);
  if (canReplace(user, dirname(outermost))) return;
  if (!exists(outermost)) makeUnlessThere(outermost, user);
  // Where it cannot be given, the user's own attempt tells why.
  else ignoring(() => giveTo(path, user));
}

/** A folder of root becomes the user's; one that everyone writes to, or that is another's, stays as it is. */
function giveTo(path: string, user: Owner): void {
  const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  try {
    const { uid, mode } = fstatSync(fd);
    if (uid === 0 && (mode & 0o002) === 0) fchownSync(fd, user.uid, user.gid);
  } finally {
    closeSync(fd);
  }
}
