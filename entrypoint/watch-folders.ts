import { readlinkSync, realpathSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

/** As many links in a row as Linux follows. */
const MOST_LINKS = 40;

/** The folders in which a file is replaced, or a link on the way to it (Kubernetes: `X` → `..data/X`, `..data` → …). */
export function foldersOf(paths: readonly string[]): string[] {
  return [...new Set(paths.flatMap(onTheWay))];
}

function onTheWay(path: string): string[] {
  const folders: string[] = [];
  for (let at = path, links = 0; links < MOST_LINKS; links++) {
    folders.push(real(dirname(at)));
    const target = linkAt(at);
    if (target === undefined) break;
    at = resolve(dirname(at), target);
  }
  return folders;
}

/** By its own name, so that a swap of a link shows as another folder. */
function real(folder: string): string {
  try {
    return realpathSync(folder);
  } catch {
    return folder;
  }
}

function linkAt(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}
