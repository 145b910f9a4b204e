import { lstatSync, readdirSync, rmdirSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { Owner } from '../src/model/layout.ts';
import { makeFolder } from '../src/store/folder.ts';
import { randomName } from '../src/store/replace.ts';
import { ignoring } from '../src/store/write-new.ts';

/**
 * With this variable ComfyUI-Manager's reboot writes `<value>.reboot` and ends with 0; without it, it would replace
 * itself and skip all that is done here before a start (container.md §2).
 */
const VARIABLE = '__COMFY_CLI_SESSION__';

const FOLDER = /^session-[0-9a-f]{16}$/;
const NAME = 'comfyui';

/** Where the Manager leaves word that it wants ComfyUI started again. */
export class RebootMarker {
  readonly #runFolder: string;
  #folder: string | undefined;

  /** @param runFolder the entrypoint's own folder: the marker's stands in it, and belongs to ComfyUI's user. */
  constructor(runFolder: string) {
    this.#runFolder = runFolder;
  }

  /** Makes room for a marker, without one in it. Gives what the child's environment must say. Throws a `Failure`. */
  prepare(owner: Owner): Record<string, string> {
    this.remove();
    this.#folder = join(this.#runFolder, `session-${randomName()}`);
    makeFolder(this.#folder, { owner });
    return { [VARIABLE]: join(this.#folder, NAME) };
  }

  /** Whether the child asked to be started again. */
  get isSet(): boolean {
    return this.#folder !== undefined && exists(markerIn(this.#folder));
  }

  /** Leaves no folder behind. Only what is ours, and only by its name: as root nothing of ComfyUI's user is followed. */
  remove(): void {
    ignoring(() => {
      for (const name of readdirSync(this.#runFolder).filter((entry) => FOLDER.test(entry))) {
        const folder = join(this.#runFolder, name);
        ignoring(() => unlinkSync(markerIn(folder)));
        ignoring(() => rmdirSync(folder));
      }
    });
  }
}

const markerIn = (folder: string) => join(folder, `${NAME}.reboot`);

const exists = (path: string) => {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch {
    return false;
  }
};
