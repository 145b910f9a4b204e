import { closeSync, constants, fsyncSync, mkdirSync, openSync, rmdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { attempt, exists, unless } from './system-call.ts';

export const FOLDER_MODE = 0o700;

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

/** Makes one folder, for its owner alone, and makes its name durable. */
export function makeFolder(path: string): void {
  attempt('make the folder', path, () => mkdirSync(path, FOLDER_MODE));
  syncFolder(dirname(path));
}

/** Removes folders that were made, innermost first; one that somebody has since used stays. */
export function removeFolders(outermostFirst: readonly string[]): void {
  for (const folder of [...outermostFirst].reverse()) {
    if (!exists(folder)) continue;
    attempt('remove the folder', folder, () => unless(['ENOTEMPTY', 'EEXIST'], () => rmdirSync(folder)));
    syncFolder(dirname(folder));
  }
}
