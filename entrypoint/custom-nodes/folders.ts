import { realpathSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { ComfyUiArgs } from '../comfyui-args.ts';
import { readExtraPaths } from './extra-paths.ts';
import type { PathUser } from './python-paths.ts';

export interface NodeFolders {
  /** In the order in which ComfyUI goes through them; never empty. */
  folders: [string, ...string[]];
  /** Files that ComfyUI will not take, each with the reason. */
  faults: string[];
}

/**
 * The folders in which ComfyUI looks for custom nodes with these arguments (folder_paths.py, main.py): its base
 * folder's, and those of extra_model_paths.yaml and of each `--extra-model-paths-config`. The same folder under
 * two names is there twice, as it is to ComfyUI.
 */
export async function customNodeFolders(
  comfyuiDir: string,
  args: ComfyUiArgs,
  user: PathUser,
): Promise<NodeFolders> {
  const home = realFolder(comfyuiDir);
  const base = args.baseDirectory === undefined ? home : resolve(comfyuiDir, args.baseDirectory);
  const faults: string[] = [];
  let folders: NodeFolders['folders'] = [join(base, 'custom_nodes')];
  const own = join(home, 'extra_model_paths.yaml');
  const given = args.extraModelPaths.map((path) => resolve(comfyuiDir, path));
  for (const path of isFile(own) ? [own, ...given] : given) {
    const { folders: extra, fault } = await readExtraPaths(path, user);
    if (fault !== undefined) faults.push(`${path} ${fault}`);
    for (const { path: folder, first } of extra) {
      if (first) folders = [folder, ...folders.filter((other) => other !== folder)];
      else if (!folders.includes(folder)) folders = [...folders, folder];
    }
  }
  return { folders, faults };
}

const isFile = (path: string) => statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;

function realFolder(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}
