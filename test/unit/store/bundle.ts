import { join } from 'node:path';
import { buildSync } from 'esbuild';

/** Bundles a TypeScript program into a folder, for a process of its own: Node 20 runs no TypeScript. */
export function bundle(entry: string, folder: string): string {
  const outfile = join(folder, 'program.cjs');
  buildSync({
    entryPoints: [join(import.meta.dirname, entry)],
    outfile,
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
    logLevel: 'error',
  });
  return outfile;
}
