import type { Owner } from '../../src/model/layout.ts';
import type { ComfyUiArgs } from '../comfyui-args.ts';
import { customNodeFolders, type NodeFolders } from '../custom-nodes/folders.ts';
import { checkCanHold } from '../custom-nodes/refusals.ts';
import type { Log } from '../log.ts';
import { checkPinned } from './pin.ts';
import { leftOut, notACopy, notFound, type Search } from './refusals.ts';
import { NODE_NAME } from './restore.ts';
import type { LoginNodeSettings } from './settings.ts';
import { isLoginNode, surveyLoginNodes } from './survey.ts';

export interface EnsureOptions extends LoginNodeSettings {
  /** Who ComfyUI runs as: a restored node is theirs. */
  owner: Owner;
  /** ComfyUI's environment: paths in extra_model_paths files may name its variables. */
  env: NodeJS.ProcessEnv;
  log: Log;
}

/**
 * As `ensureLoginNode`, but changes nothing: undefined where the next start restores the login node. Throws a
 * `Refusal` where that start would be refused for what can be seen without writing.
 */
export async function lookForLoginNode(
  comfyuiDir: string,
  args: ComfyUiArgs,
  options: EnsureOptions,
): Promise<string | undefined> {
  const folders = await foldersToSearch(comfyuiDir, args, options);
  const search = { comfyuiDir, args, folders, survey: surveyLoginNodes(folders, args.onlyNodes) };
  const found = loadedNode(search, options);
  if (found === undefined) checkRestorable(search, options);
  return found;
}

/** Where ComfyUI looks for custom nodes; says which files will keep it from starting. */
export async function foldersToSearch(
  comfyuiDir: string,
  args: ComfyUiArgs,
  options: EnsureOptions,
): Promise<NodeFolders['folders']> {
  const { folders, faults } = await customNodeFolders(comfyuiDir, args, options);
  for (const fault of faults) options.log.warning('extra-model-paths', `${fault}: ComfyUI may not start`);
  return folders;
}

/** What ComfyUI loads: all of it must be a version that is meant, since a second one answers requests, too. */
export function loadedNode({ survey }: Search, { copy, pin, allow, log }: EnsureOptions): string | undefined {
  const [found, ...more] = survey.loaded;
  if (found === undefined) return undefined;
  for (const folder of survey.loaded) {
    checkPinned(folder, { pin, allow }, (version) =>
      copy === undefined ? `put ${version} there` : `remove ${folder} (then the image’s copy is restored)`,
    );
  }
  const others = [...more, ...survey.loose];
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

/** Gives the copy that may be put into the first of the folders. */
export function checkRestorable(search: Search, { copy, pin, allow }: EnsureOptions): string {
  const { args, folders, survey } = search;
  if (args.onlyNodes !== undefined && !args.onlyNodes.includes(NODE_NAME)) {
    throw survey.excluded.length > 0 ? notFound(search) : leftOut(NODE_NAME);
  }
  if (copy === undefined) throw notFound(search);
  if (!isLoginNode(copy)) throw notACopy(copy);
  checkPinned(copy, { pin, allow }, (version) => `build the image again with ${version}`);
  checkCanHold(folders[0]);
  return copy;
}
