import { type FSWatcher, readlinkSync, realpathSync, statSync, watch } from 'node:fs';
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

/** The system's notices of what is done in some folders. Where it has none to give, nothing is said: others must look. */
export class FolderWatch {
  readonly #onNotice: () => void;
  #watchers: FSWatcher[] = [];
  #watched = '';

  constructor(onNotice: () => void) {
    this.#onNotice = onNotice;
  }

  /** From now on these; a folder that was made anew under its old name is another one. It keeps no process alive. */
  watch(folders: readonly string[]): void {
    const watched = folders.map((folder) => `${folder}\0${identity(folder)}`).join('\0');
    if (watched === this.#watched) return;
    this.close();
    this.#watched = watched;
    for (const folder of folders) {
      try {
        const watcher = watch(folder, { persistent: false }, this.#onNotice);
        watcher.on('error', () => watcher.close());
        this.#watchers.push(watcher);
      } catch {
        // There is no room for another one (ENOSPC), or no such folder.
      }
    }
  }

  close(): void {
    for (const watcher of this.#watchers) watcher.close();
    this.#watchers = [];
    this.#watched = '';
  }
}

/** Numbers of inodes are used again. */
function identity(folder: string): string {
  const stats = statSync(folder, { throwIfNoEntry: false });
  return `${stats?.ino} ${stats?.birthtimeMs}`;
}
