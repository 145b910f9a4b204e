import { lstatSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';

/** What Python leaves beside its sources, and prefers to them. */
export const BYTECODE = /^(?:__pycache__|.*\.pyc)$/;

/** Removes the bytecode in a folder that is no link. Gives the paths that stay, since they could not be removed. */
export function removeBytecode(folder: string): string[] {
  return bytecodeIn(folder).filter((path) => {
    try {
      rmSync(path, { recursive: true, force: true });
      return false;
    } catch {
      return true;
    }
  });
}

function bytecodeIn(folder: string): string[] {
  try {
    if (!lstatSync(folder).isDirectory()) return [];
    return readdirSync(folder)
      .filter((name) => BYTECODE.test(name))
      .map((name) => join(folder, name));
  } catch {
    return [];
  }
}
