import { dirname, join } from 'node:path';
import type { Owner } from '../../src/model/layout.ts';
import type { ComfyUiArgs } from '../comfyui-args.ts';
import { asUser } from '../custom-nodes/as-user.ts';
import { placeNode, removeLeftovers } from '../custom-nodes/place.ts';
import { notPlaced } from '../custom-nodes/refusals.ts';
import { settle } from '../custom-nodes/settle.ts';
import { ContainerExit, Refusal } from '../exit.ts';
import type { Log } from '../log.ts';
import { removeBytecode } from './bytecode.ts';
import { type GuardOptions, type GuardSearch, isWhole, searchGuard, type WantedGuard } from './look.ts';
import { GUARD_NAME } from './survey.ts';

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
 * the copy is none, or a white list leaves the guard out; 74 or 77 where it cannot be written.
 */
export async function ensureGuard(
  comfyuiDir: string,
  args: ComfyUiArgs,
  options: EnsureGuardOptions,
): Promise<boolean> {
  const search = await searchGuard(comfyuiDir, args, options);
  const { wanted, loaded } = search;
  if (wanted === 'off') return loaded.length > 0;
  putThere(search, wanted, options);
  tellOthers(wanted.place, loaded, options.log);
  return true;
}

function putThere({ folders }: GuardSearch, wanted: WantedGuard, options: EnsureGuardOptions): void {
  for (const folder of folders) removeLeftovers(GUARD_NAME, folder, options.owner);
  settle({
    look: () => bytecodeAt(wanted, options.owner) ?? wanted.fault(),
    judge: (fault) => (fault === undefined ? true : undefined),
    put: (fault = '') => restore(wanted, fault, options),
    gone: () => keepsChanging(wanted.place),
    failed: (failure) => notPlaced(failure, dirname(wanted.place), UNPLACED),
  });
}

/**
 * Removes the bytecode that stands beside the sources: Python could take it in their place, whatever it does. Gives what could
 * not be removed, in a few words.
 */
function bytecodeAt({ place, parts }: WantedGuard, owner: Owner): string | undefined {
  const folders = parts.filter(({ bytes }) => bytes === undefined).map(({ path }) => join(place, path));
  const left = asUser(owner, place, () => [place, ...folders].flatMap(removeBytecode));
  return left[0] === undefined ? undefined : `${left[0]} cannot be removed`;
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
    `ComfyUI loads a second guard beside ${place}: ${where}; two of them end ComfyUI (78): remove it`,
    { folder: place, others: where },
  );
}
