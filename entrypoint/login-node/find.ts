import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { ComfyUiArgs } from '../comfyui-args.ts';
import { Refusal } from '../exit.ts';

/** ComfyUI-Login is known by what it does, not by the name of its folder. */
const MARK = 'check_login_status';
const MAX_MODULE_BYTES = 1024 * 1024;

const INSTALL =
  'git clone https://github.com/liusida/ComfyUI-Login into custom_nodes, and install its requirements.txt';

/**
 * The folder of the login node that ComfyUI will load with these arguments. Throws a `Refusal` (78) where it
 * would load none: it would serve anyone (container.md O9, O10, O11).
 */
export function findLoginNode(comfyuiDir: string, args: ComfyUiArgs): string {
  const folders = customNodeFolders(comfyuiDir, args);
  const found = folders.flatMap(loginNodesIn);
  const enabled = found.filter((folder) => !folder.endsWith('.disabled'));
  const loaded = enabled.find((folder) => args.onlyNodes?.includes(baseName(folder)) ?? true);
  if (loaded !== undefined) return complete(loaded);
  if (enabled[0] !== undefined) throw notLoaded(enabled[0]);
  if (found[0] !== undefined) throw disabled(found[0]);
  throw absent(comfyuiDir, folders);
}

/** The folders in which ComfyUI looks for custom nodes: its base folder's, and those of extra_model_paths. */
function customNodeFolders(comfyuiDir: string, args: ComfyUiArgs): string[] {
  const base = resolve(comfyuiDir, args.baseDirectory ?? '.');
  const configs = [join(comfyuiDir, 'extra_model_paths.yaml'), ...args.extraModelPaths];
  const extra = configs.flatMap((path) => extraNodeFolders(resolve(comfyuiDir, path)));
  return [...new Set([join(base, 'custom_nodes'), ...extra])];
}

/**
 * The `custom_nodes` entries of an extra_model_paths.yaml, as far as they are plain: `key: value` lines below a
 * section, with or without a `base_path`. What is written otherwise is not found, and so the start is refused.
 */
function extraNodeFolders(path: string): string[] {
  const text = readModule(path);
  if (text === undefined) return [];
  const sections = text.split(/^(?=\S+:\s*(?:#.*)?$)/m);
  return sections.flatMap((section) => {
    const value = (key: string) =>
      new RegExp(`^\\s+${key}:\\s*(?:\\|\\s*\\n\\s+)?(['"]?)([^\\s'"#|].*?)\\1\\s*(?:#.*)?$`, 'm').exec(
        section,
      )?.[2];
    const nodes = value('custom_nodes');
    if (nodes === undefined) return [];
    return [resolve(dirname(path), value('base_path') ?? '.', nodes)];
  });
}

function loginNodesIn(folder: string): string[] {
  return entries(folder)
    .map((name) => join(folder, name))
    .filter((path) => readModule(join(path, 'password.py'))?.includes(MARK) ?? false);
}

function entries(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}

function readModule(path: string): string | undefined {
  try {
    const stats = statSync(path);
    return stats.isFile() && stats.size <= MAX_MODULE_BYTES ? readFileSync(path, 'utf8') : undefined;
  } catch {
    return undefined;
  }
}

const baseName = (path: string) => path.slice(path.lastIndexOf('/') + 1);

function complete(folder: string): string {
  if (readModule(join(folder, '__init__.py')) !== undefined) return folder;
  throw new Refusal({
    code: 'login-node-broken',
    message: `${folder} has no __init__.py: ComfyUI cannot load the login node, and would serve anyone`,
    remedy: INSTALL,
  });
}

const notLoaded = (folder: string) =>
  new Refusal({
    code: 'login-node-disabled',
    message: '--disable-all-custom-nodes keeps ComfyUI from loading the login node: it would serve anyone',
    remedy: `remove that option, or add --whitelist-custom-nodes ${baseName(folder)}`,
  });

const disabled = (folder: string) =>
  new Refusal({
    code: 'login-node-disabled',
    message: `the login node is disabled: ${folder}; ComfyUI would serve anyone`,
    remedy: `mv ${folder} ${folder.replace(/\.disabled$/, '')}`,
  });

function absent(comfyuiDir: string, folders: string[]): Refusal {
  const usual = join(comfyuiDir, 'custom_nodes');
  const aside = folders.includes(usual) ? [] : loginNodesIn(usual);
  const where = folders.join(', ');
  if (aside[0] === undefined) {
    return new Refusal({
      code: 'login-node-missing',
      message: `ComfyUI-Login is not installed: no folder in ${where} has a password.py with ${MARK}`,
      remedy: INSTALL,
    });
  }
  return new Refusal({
    code: 'login-node-missing',
    message: `--base-directory makes ComfyUI load custom nodes from ${where}, and the login node stands in ${aside[0]}`,
    remedy: `move ${aside[0]} to ${where}, or remove --base-directory`,
  });
}
