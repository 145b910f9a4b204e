import { closeSync, constants, linkSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { attributeProtects, type CheckedChange } from './change.ts';
import { accessFor, makeFolder, syncFolder } from './folder.ts';
import type { RegularFile } from './read-file.ts';
import { mountPoint } from './replace.ts';
import { attempt, errnoOf } from './system-call.ts';
import { writeNew } from './write-new.ts';

/** A change with the names that it uses beside its file. */
export interface StagedChange extends CheckedChange {
  staged: string;
  kept: string;
}

// What file systems and kernels answer that do not link this file, but could copy it.
const NO_LINK = ['EPERM', 'EACCES', 'EOPNOTSUPP', 'ENOTSUP', 'ENOSYS', 'EMLINK'];

/** An immutable file refuses to be linked, opened for writing and replaced alike; a protected one only the first. */
function requireMutable(path: string): void {
  const flags = constants.O_WRONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);
  try {
    closeSync(openSync(path, flags));
  } catch (error) {
    if (errnoOf(error) === 'EPERM') throw attributeProtects(path);
  }
}

/** Keeps the old file under a second name: as a link, so that a rollback needs no space; as a copy where there are none. */
function keepOld(path: string, kept: string, old: RegularFile): void {
  try {
    linkSync(path, kept);
  } catch (error) {
    const errno = errnoOf(error);
    // In one folder only a mount lies between two names.
    if (errno === 'EXDEV') throw mountPoint(path);
    if (!NO_LINK.includes(errno)) {
      attempt('keep the old file', path, () => {
        throw error;
      });
    }
    requireMutable(path);
    writeNew(kept, old.bytes, old.mode, old.owner);
  }
}

/**
 * Writes all new contents beside their files and keeps all old ones, durably; no file has changed afterwards.
 * Here it shows whether every folder can be written, every owner given and every file replaced. Throws a Failure.
 */
export function stage(changes: readonly StagedChange[], folders: readonly string[]): void {
  for (const folder of folders) makeFolder(folder, accessFor(folder, changes));
  for (const change of changes) {
    writeNew(change.staged, change.content, change.mode, change.owner);
    if (change.old !== null) keepOld(change.path, change.kept, change.old);
  }
  for (const folder of new Set(changes.map((change) => dirname(change.path)))) syncFolder(folder);
}
