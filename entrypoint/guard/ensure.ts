import { dirname } from 'node:path';
import type { ComfyUiArgs } from '../comfyui-args.ts';
import { placeNode, removeLeftovers } from '../custom-nodes/place.ts';
import { notPlaced } from '../custom-nodes/refusals.ts';
import { settle } from '../custom-nodes/settle.ts';
import { ContainerExit, Refusal } from '../exit.ts';
import type { Log } from '../log.ts';
import { type GuardOptions, type GuardSearch, isWhole, searchGuard, type WantedGuard } from './look.ts';
import { GUARD_NAME } from './survey.ts';

/** What to do where a white list leaves the guard out. */
export const LEFT_OUT_REMEDY = `add ${GUARD_NAME} to --whitelist-custom-nodes`;

/** The words for a guard that cannot be put there. */
const UNPLACED = {
  code: 'guard-not-restored',
  name: GUARD_NAME,
  what: 'ComfyUI would run without its guard, which cannot be put into',
  instead: `put the image’s guard into it as ${GUARD_NAME}, or set GUARD_COPY=off`,
};

interface EnsureGuardOptions extends GuardOptions {
  log: Log;
}

/**
 * Sees to it that ComfyUI loads the guard of the image, byte for byte, with these arguments: where it would load
 * another one, or none, the image's is put there. Gives whether ComfyUI will load one. Throws a `Refusal`: 78 where
 * the copy is none, 74 or 77 where it cannot be written.
 */
export async function ensureGuard(
  comfyuiDir: string,
  args: ComfyUiArgs,
  options: EnsureGuardOptions,
): Promise<boolean> {
  const search = await searchGuard(comfyuiDir, args, options);
  const { wanted, loaded } = search;
  if (wanted === 'off') return loaded.length > 0;
  if (wanted === 'left-out') {
    const why =
      '--disable-all-custom-nodes leaves out the guard: the login is proven, and nothing is behind it';
    options.log.warning('guard-left-out', `${why}. Remedy: ${LEFT_OUT_REMEDY}`);
    return loaded.length > 0;
  }
  putThere(search, wanted, options);
  tellOthers(wanted.place, loaded, options.log);
  return true;
}

function putThere({ folders }: GuardSearch, wanted: WantedGuard, options: EnsureGuardOptions): void {
  for (const folder of folders) removeLeftovers(GUARD_NAME, folder, options.owner);
  settle({
    look: wanted.fault,
    judge: (fault) => (fault === undefined ? true : undefined),
    put: (fault = '') => restore(wanted, fault, options),
    gone: () => keepsChanging(wanted.place),
    failed: (failure) => notPlaced(failure, dirname(wanted.place), UNPLACED),
  });
}

function restore({ place, parts }: WantedGuard, fault: string, options: EnsureGuardOptions): void {
  const node = { name: GUARD_NAME, parts, isThere: (path: string) => isWhole(parts, path) };
  const placed = placeNode(node, dirname(place), options.owner);
  if (placed === undefined) return;
  const { path, aside } = placed;
  const moved = aside === undefined ? '' : `; what stood there is now ${aside}`;
  options.log.info('guard-restored', `${fault}: ${path} is a new copy of ${options.copy}${moved}`, {
    folder: path,
    ...(aside !== undefined && { aside }),
  });
}

const keepsChanging = (place: string) =>
  new Refusal({
    code: UNPLACED.code,
    exit: ContainerExit.io,
    message: `somebody else keeps changing ${place}: it is never the guard of this image`,
    remedy: 'give each version of the image a custom_nodes folder of its own',
  });

function tellOthers(place: string, loaded: readonly string[], log: Log): void {
  const others = loaded.filter((path) => path !== place);
  if (others.length === 0) return;
  const where = others.join(', ');
  log.warning(
    'guard-duplicate',
    `ComfyUI loads a second guard beside ${place}: ${where}; each counts logins, and holds sessions, of its own: remove it`,
    { folder: place, others: where },
  );
}
