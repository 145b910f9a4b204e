import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { PreflightWorld } from './check.ts';

/** A small file of the system, e.g. `proc/1/cmdline`; undefined where it cannot be read. */
export function systemFile({ root }: Pick<PreflightWorld, 'root'>, path: string): string | undefined {
  try {
    return readFileSync(join(root, path), 'utf8');
  } catch {
    return undefined;
  }
}

/** The names in a folder of the system; none where it cannot be read. */
export function systemNames({ root }: Pick<PreflightWorld, 'root'>, path: string): string[] {
  try {
    return readdirSync(join(root, path)).sort();
  } catch {
    return [];
  }
}
