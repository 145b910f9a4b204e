import { type FSWatcher, readlinkSync, realpathSync, statSync, watch } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';

/** As many links in a row as Linux follows. */
const MOST_LINKS = 40;

/**
 * The folders in which a file is replaced, or a link on the way to it (Kubernetes: `X` → `..data/X`, `..data` → …); and the
 * file itself: of what is written into a file that is a mount, or has another name, its folder gets no notice.
 */
export function placesOf(paths: readonly string[]): string[] {
  return [...new Set(paths.flatMap(onTheWay))];
}

function onTheWay(path: string): string[] {
  const places: string[] = [];
  for (let at = path, links = 0; links < MOST_LINKS; links++) {
    const folder = real(dirname(at));
    places.push(folder);
    const target = linkAt(at);
    if (target === undefined) return [...places, join(folder, basename(at))];
    at = resolve(dirname(at), target);
  }
  return places;
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

/** The system's notices of what is done in some folders, or to some files. Where it has none to give, others must look. */
export class Notices {
  readonly #onNotice: () => void;
  #watchers: FSWatcher[] = [];
  #watched = '';

  constructor(onNotice: () => void) {
    this.#onNotice = onNotice;
  }

  /** From now on these; what was made anew under its old name is another one. They keep no process alive. */
  watch(places: readonly string[]): void {
    const watched = places.map((place) => `${place}\0${identity(place)}`).join('\0');
    if (watched === this.#watched) return;
    this.close();
    this.#watched = watched;
    for (const place of places) {
      try {
        const watcher = watch(place, { persistent: false }, this.#onNotice);
        watcher.on('error', () => watcher.close());
        this.#watchers.push(watcher);
      } catch {
        // There is no room for another one (ENOSPC), or nothing there.
      }
    }
  }

  close(): void {
    for (const watcher of this.#watchers) watcher.close();
    this.#watchers = [];
    this.#watched = '';
  }
}

/** Numbers of inodes are used again. What cannot be looked at has none. */
function identity(place: string): string {
  try {
    const { ino, birthtimeMs } = statSync(place);
    return `${ino} ${birthtimeMs}`;
  } catch {
    return '';
  }
}
