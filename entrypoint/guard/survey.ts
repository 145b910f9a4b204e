import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { readRegular } from '../../src/store/read-file.ts';

/** The name under which the guard stands among the custom nodes. */
export const GUARD_NAME = 'comfyui-auth-guard';

/** Stands in the `__init__.py` of every guard, whatever its folder is called. */
export const MARK = 'comfyui-auth guard';
const MAX_MODULE_BYTES = 1024 * 1024;

/** Every guard that ComfyUI loads out of these folders (nodes.py, init_external_custom_nodes). Never throws. */
export function loadedGuards(folders: readonly string[], onlyNodes: readonly string[] | undefined): string[] {
  return folders.flatMap((folder) =>
    namesIn(folder)
      .filter((name) => !name.endsWith('.disabled') && (onlyNodes?.includes(name) ?? true))
      .map((name) => join(folder, name))
      .filter(hasMark),
  );
}

function hasMark(folder: string): boolean {
  const found = readRegular(join(folder, '__init__.py'), { follow: true, maxBytes: MAX_MODULE_BYTES });
  return found.kind === 'file' && found.bytes.includes(MARK);
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}
