import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Whether a program runs whose command line names a folder. Linux only. */
function isAtWork(folder: string): boolean {
  return readdirSync('/proc').some((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(join('/proc', pid, 'cmdline'), 'utf8').includes(folder);
    } catch {
      return false;
    }
  });
}

/** Waits for the programs of a folder to end: those that a killed one had started go on without it. */
export async function untilQuiet(folder: string): Promise<void> {
  while (isAtWork(folder)) await new Promise((resolve) => setImmediate(resolve));
}
