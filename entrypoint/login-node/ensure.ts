import type { ComfyUiArgs } from '../comfyui-args.ts';
import { removeLeftovers } from '../custom-nodes/place.ts';
import { notPlaced } from '../custom-nodes/refusals.ts';
import { settle } from '../custom-nodes/settle.ts';
import { checkRestorable, type EnsureOptions, foldersToSearch, loadedNode } from './look.ts';
import { notFound, type Search, UNPLACED } from './refusals.ts';
import { NODE_NAME, restoreLoginNode } from './restore.ts';
import { type Survey, surveyLoginNodes } from './survey.ts';

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
  const folders = await foldersToSearch(comfyuiDir, args, options);
  for (const folder of folders) removeLeftovers(NODE_NAME, folder, options.owner);
  return settle({
    look: () => ({ comfyuiDir, args, folders, survey: surveyLoginNodes(folders, args.onlyNodes) }),
    judge: (search) => loadedNode(search, options),
    put: (search) => restore(search, options),
    gone: notFound,
    failed: (failure) => notPlaced(failure, folders[0], UNPLACED),
  });
}

function restore(search: Search, options: EnsureOptions): void {
  const copy = checkRestorable(search, options);
  const restored = restoreLoginNode(copy, search.folders[0], options.owner);
  if (restored === undefined) return;
  const { path, aside } = restored;
  const moved = aside === undefined ? '' : `; what stood there is now ${aside}`;
  const message = `${whyRestored(search.survey)}: ${path} is a new copy of ${copy}${moved}`;
  options.log.info('login-node-restored', message, {
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
