import { statSync } from 'node:fs';
import { dirname } from 'node:path';
import { Failure } from '../../src/model/failure.ts';
import type { Owner } from '../../src/model/layout.ts';
import { errnoOf } from '../../src/store/system-call.ts';
import type { ComfyUiArgs } from '../comfyui-args.ts';
import type { Log } from '../log.ts';
import { customNodeFolders } from './folders.ts';
import { checkPinned } from './pin.ts';
import { leftOut, noFolder, notACopy, notFound, notRestored, type Search } from './refusals.ts';
import { NODE_NAME, removeLeftovers, restoreLoginNode } from './restore.ts';
import type { LoginNodeSettings } from './settings.ts';
import { isLoginNode, type Survey, surveyLoginNodes } from './survey.ts';

export interface EnsureOptions extends LoginNodeSettings {
  /** Who ComfyUI runs as: a restored node is theirs. */
  owner: Owner;
  /** ComfyUI's environment: paths in extra_model_paths files may name its variables. */
  env: NodeJS.ProcessEnv;
  log: Log;
}

/** Several containers may share a volume, and restore into it at the same time. */
const ATTEMPTS = 3;
/** Another start has taken our copy in the making for a leftover, or has put its own there first. */
const LOST_RACE = ['ENOENT', 'ENOTEMPTY', 'EEXIST'];

/**
 * The folder of the login node that ComfyUI will load with these arguments; restored from the image's copy where
 * it would load none. Throws a `Refusal`: 78 where it would serve anyone, or would load a version that is neither
 * pinned nor allowed (container.md O9, O10, O11); 74 or 77 where the copy cannot be written.
 */
export async function ensureLoginNode(
  comfyuiDir: string,
  args: ComfyUiArgs,
  options: EnsureOptions,
): Promise<string> {
  const { folders, faults } = await customNodeFolders(comfyuiDir, args, options);
  for (const fault of faults) options.log.warning('extra-model-paths', `${fault}: ComfyUI may not start`);
  for (const folder of folders) removeLeftovers(folder);
  for (let attempt = 1; ; attempt++) {
    const survey = surveyLoginNodes(folders, args.onlyNodes);
    const [found] = survey.loaded;
    if (found !== undefined) return accepted(found, survey, options);
    if (attempt > ATTEMPTS) throw notFound({ comfyuiDir, args, folders, survey });
    try {
      restore({ comfyuiDir, args, folders, survey }, options);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      if (attempt < ATTEMPTS && LOST_RACE.includes(errnoOf(error.cause))) continue;
      throw notRestored(error, folders[0]);
    }
  }
}

/** All that ComfyUI loads must be a version that is meant: a second one answers requests, too. */
function accepted(
  found: string,
  { loaded, loose }: Survey,
  { copy, pin, allow, log }: EnsureOptions,
): string {
  for (const folder of loaded) {
    checkPinned(folder, { pin, allow }, (version) =>
      copy === undefined ? `put ${version} there` : `remove ${folder} (then the image’s copy is restored)`,
    );
  }
  const others = [...loaded.slice(1), ...loose];
  if (others.length > 0) {
    const where = others.join(', ');
    log.warning(
      'login-node-duplicate',
      `ComfyUI loads a second login node beside ${found}: ${where}; each checks every request, and their sessions disturb each other: keep one`,
      { folder: found, others: where },
    );
  }
  return found;
}

function restore(search: Search, { copy, pin, allow, owner, log }: EnsureOptions): void {
  const { args, folders, survey } = search;
  if (args.onlyNodes !== undefined && !args.onlyNodes.includes(NODE_NAME)) {
    throw survey.excluded.length > 0 ? notFound(search) : leftOut(NODE_NAME);
  }
  if (copy === undefined) throw notFound(search);
  if (!isLoginNode(copy)) throw notACopy(copy);
  checkPinned(copy, { pin, allow }, (version) => `build the image again with ${version}`);
  const [folder] = folders;
  if (!canHold(folder)) throw noFolder(folder);
  const restored = restoreLoginNode(copy, folder, owner);
  if (restored === undefined) return;
  const { path, aside } = restored;
  const moved = aside === undefined ? '' : `; what stood there is now ${aside}`;
  log.info('login-node-restored', `${whyRestored(survey)}: ${path} is a new copy of ${copy}${moved}`, {
    folder: path,
    ...(aside !== undefined && { aside }),
  });
}

function whyRestored({ broken, disabled, excluded, unreadable }: Survey): string {
  if (broken[0] !== undefined) return `the login node ${broken[0]} has no __init__.py`;
  if (disabled[0] !== undefined) return `the login node is disabled (${disabled[0]})`;
  if (excluded[0] !== undefined) return `--disable-all-custom-nodes leaves out ${excluded[0]}`;
  if (unreadable[0] !== undefined) return `no login node is found, and ${unreadable[0].path} cannot be read`;
  return 'no login node is installed';
}

/** A folder, or one that can be made: nothing stands in its place, and there is a folder around it. */
function canHold(folder: string): boolean {
  const isFolder = (path: string) => statSync(path, { throwIfNoEntry: false })?.isDirectory();
  try {
    return isFolder(folder) ?? isFolder(dirname(folder)) ?? false;
  } catch {
    // What may not even be looked at is told by the writing itself.
    return true;
  }
}
