import { existsSync } from 'node:fs';
import { makeFolder, missingFolders } from '../../src/store/folder.ts';

/** Makes a folder, and those above it that are missing, for everyone to read, whatever our umask. Throws a Failure. */
export function makeSharedFolder(path: string): void {
  if (existsSync(path)) return;
  for (const folder of [...missingFolders(path), path]) makeFolder(folder, { mode: 0o755 });
}
