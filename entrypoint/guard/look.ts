import { lstatSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Owner } from '../../src/model/layout.ts';
import type { ComfyUiArgs } from '../comfyui-args.ts';
import { asUser } from '../custom-nodes/as-user.ts';
import { customNodeFolders, type NodeFolders } from '../custom-nodes/folders.ts';
import { differenceFrom, type Part, partsOf } from '../custom-nodes/parts.ts';
import { checkCanHold } from '../custom-nodes/refusals.ts';
import { Refusal } from '../exit.ts';
import { BYTECODE } from './bytecode.ts';
import { GUARD_NAME, loadedGuards, MARK } from './survey.ts';

export interface GuardOptions {
  /** The pristine guard; undefined: none is put there. */
  copy: string | undefined;
  /** Who ComfyUI runs as: the guard is theirs, and has to be readable by them. */
  owner: Owner;
  /** ComfyUI's environment: paths in extra_model_paths files may name its variables. */
  env: NodeJS.ProcessEnv;
}

/** What ComfyUI would load as its guard. */
export interface GuardSearch {
  folders: NodeFolders['folders'];
  /** What ComfyUI loads as it is now. */
  loaded: readonly string[];
  /** `off`: there is no copy to put there. Else the guard that has to stand there. */
  wanted: 'off' | WantedGuard;
}

export interface WantedGuard {
  /** Where it belongs: where it stands under its name, be it another one; else in the first folder. */
  place: string;
  parts: readonly Part[];
  /** Why what stands there is not that guard, in a few words; undefined where it is. */
  fault(): string | undefined;
}

/** Looks where the guard belongs, and changes nothing. Throws a `Refusal` where it could not be put there, or not be loaded. */
export async function searchGuard(
  comfyuiDir: string,
  args: ComfyUiArgs,
  options: GuardOptions,
): Promise<GuardSearch> {
  const { folders } = await customNodeFolders(comfyuiDir, args, options);
  const found = { folders, loaded: loadedGuards(folders, args.onlyNodes) };
  if (options.copy === undefined) return { ...found, wanted: 'off' };
  if (!(args.onlyNodes?.includes(GUARD_NAME) ?? true)) throw leftOut();
  const parts = readCopy(options.copy);
  const fault = (path: string) => faultOf(parts, path, options.owner);
  const places = folders.map((folder) => join(folder, GUARD_NAME));
  const place =
    places.find((path) => fault(path) === undefined) ??
    places.find((path) => !isAbsent(path)) ??
    join(folders[0], GUARD_NAME);
  checkCanHold(dirname(place));
  return { ...found, wanted: { place, parts, fault: () => fault(place) } };
}

const leftOut = () =>
  new Refusal({
    code: 'guard-left-out',
    message: '--disable-all-custom-nodes leaves out the guard: ComfyUI would run without it',
    remedy: `add ${GUARD_NAME} to --whitelist-custom-nodes; where no guard is meant set GUARD_COPY=off`,
  });

function readCopy(copy: string): Part[] {
  const parts = partsOf(copy, BYTECODE);
  const init = parts.find(({ path }) => path === '__init__.py');
  if (init?.bytes?.includes(MARK)) return parts;
  throw new Refusal({
    code: 'setting-invalid',
    message: `GUARD_COPY: ${copy} is no folder with the guard (an __init__.py with the words ${MARK})`,
    remedy: 'name the folder of a whole guard in GUARD_COPY, set it to off, or build the image again',
  });
}

/** As ComfyUI's user: what that user cannot read ComfyUI would not load. */
function faultOf(parts: readonly Part[], place: string, owner: Owner): string | undefined {
  return asUser(owner, place, () =>
    isAbsent(place) ? `${place} is not there` : differenceFrom(parts, place, BYTECODE),
  );
}

function isAbsent(path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) === undefined;
  } catch {
    return false;
  }
}

/** Whether what stands at a path is that guard, to whoever we are at the moment. */
export const isWhole = (parts: readonly Part[], path: string): boolean =>
  differenceFrom(parts, path, BYTECODE) === undefined;
