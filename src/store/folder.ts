import { closeSync, constants, fsyncSync, mkdirSync, openSync, rmdirSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Owner } from '../model/layout.ts';
import { liesIn } from '../model/path.ts';
import { attempt, exists, unless } from './system-call.ts';
import { HAS_OWNERS, setOwnerAndMode } from './write-new.ts';

export const FOLDER_MODE = 0o700;
const WAY_IN_MODE = 0o711;

/**
 * Makes the names in a folder durable: a rename is only in the kernel's memory until its folder is synced
 * (reliability.md §1.4). Windows cannot open folders; there the rename alone has to do.
 */
export function syncFolder(path: string): void {
  if (process.platform === 'win32') return;
  attempt('bring the folder to the disk', path, () => {
    const fd = openSync(path, constants.O_RDONLY | (constants.O_DIRECTORY ?? 0));
    try {
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  });
}

/** The folders that must be made before `path` can stand in its folder, outermost first. */
export function missingFolders(path: string): string[] {
  const missing: string[] = [];
  for (let folder = dirname(path); folder !== dirname(folder); folder = dirname(folder)) {
    if (exists(folder)) break;
    missing.unshift(folder);
  }
  return missing;
}

/** Who may enter a new folder. Without an owner it is the writer's; without a mode its owner's alone. */
export interface FolderAccess {
  owner?: Owner;
  mode?: number;
}

/** Makes one folder, gives it its owner and mode, and makes its name durable. */
export function makeFolder(path: string, { owner, mode = FOLDER_MODE }: FolderAccess = {}): void {
  attempt('make the folder', path, () => mkdirSync(path, FOLDER_MODE));
  if (HAS_OWNERS && (owner !== undefined || mode !== FOLDER_MODE)) {
    // By descriptor: whoever owns the folder around it could put a link there in the meantime.
    const flags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
    const fd = attempt('open it', path, () => openSync(path, flags));
    try {
      setOwnerAndMode(fd, path, mode, owner);
    } finally {
      closeSync(fd);
    }
  }
  syncFolder(dirname(path));
}

/**
 * Who may enter a folder that is made for these files: their given owner, since 0700 of the writer would lock
 * ComfyUI out of its PASSWORD and so open the server (reliability.md §1.2). Files of several owners share a way
 * in that shows no names.
 */
export function accessFor(
  folder: string,
  files: readonly { path: string; owner: Owner | undefined }[],
): FolderAccess {
  const owners = files.flatMap(({ path, owner }) =>
    owner !== undefined && liesIn(path, folder) ? [owner] : [],
  );
  const [owner] = owners;
  if (owner === undefined) return {};
  const one = owners.every(({ uid, gid }) => uid === owner.uid && gid === owner.gid);
  return one ? { owner } : { mode: WAY_IN_MODE };
}

/** Removes folders that were made, innermost first; one that somebody has since used stays. */
export function removeFolders(outermostFirst: readonly string[]): void {
  for (const folder of [...outermostFirst].reverse()) {
    if (!exists(folder)) continue;
    attempt('remove the folder', folder, () => unless(['ENOTEMPTY', 'EEXIST'], () => rmdirSync(folder)));
    syncFolder(dirname(folder));
  }
}
