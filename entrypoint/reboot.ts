import { lstatSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Owner } from '../src/model/layout.ts';
import { makeFolder } from '../src/store/folder.ts';

/**
 * With this variable ComfyUI-Manager's reboot writes `<value>.reboot` and ends with 0; without it, it would replace
 * itself and skip all that is done here before a start (container.md §2).
 */
const VARIABLE = '__COMFY_CLI_SESSION__';

/** Where the Manager leaves word that it wants ComfyUI started again. */
export class RebootMarker {
  readonly #folder: string;
  readonly #prefix: string;

  /** @param runFolder the entrypoint's own folder: the marker's stands in it, and belongs to ComfyUI's user. */
  constructor(runFolder: string) {
    this.#folder = join(runFolder, 'session');
    this.#prefix = join(this.#folder, 'comfyui');
  }

  /** Makes room for a marker, without one in it. Gives what the child's environment must say. Throws a `Failure`. */
  prepare(owner: Owner): Record<string, string> {
    rmSync(this.#folder, { recursive: true, force: true });
    makeFolder(this.#folder, { owner });
    return { [VARIABLE]: this.#prefix };
  }

  /** Whether the child asked to be started again. */
  get isSet(): boolean {
    return lstatSync(`${this.#prefix}.reboot`, { throwIfNoEntry: false }) !== undefined;
  }
}
