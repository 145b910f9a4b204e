import { once } from 'node:events';
import { readFileSync, statSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import type { Writable } from 'node:stream';
import { readFlags } from './flags.ts';
import { startStandIn } from './server.ts';

/** What the entrypoint's check of ComfyUI's Python prints where everything is as it should be. */
const ALL_WELL = { imports: {}, files: {}, keyCanBeMade: true };

/** Serves until SIGINT, as ComfyUI does; SIGTERM ends the process without a word. */
async function serve(mainFile: string, args: string[], stderr: Writable): Promise<number> {
  const flags = readFlags(args);
  const interrupted = once(process, 'SIGINT');
  const standIn = await startStandIn({
    comfyuiDir: dirname(resolve(mainFile)),
    host: flags.listen.split(',')[0] ?? flags.listen,
    port: flags.port,
    args,
    log: (line) => stderr.write(`${line}\n`),
  });
  await interrupted;
  stderr.write('\nStopped server\n');
  await standIn.close();
  return 0;
}

/** Runs no script; reads the files that it was given, as far as the system lets this process. */
function runScript(args: string[], stdout: Writable, stderr: Writable): number {
  try {
    for (const path of args) if (statSync(path, { throwIfNoEntry: false })?.isFile()) readFileSync(path);
  } catch (error) {
    stderr.write(`PermissionError: ${error instanceof Error ? error.message : ''}\n`);
    return 1;
  }
  stdout.write(`${JSON.stringify(ALL_WELL)}\n`);
  return 0;
}

/**
 * Acts as the Python of a ComfyUI that has all packages: `[-u] main.py …` serves, `-c …` says that all is well.
 * Gives the exit code.
 */
export async function standInPython(
  argv: readonly string[],
  stdout: Writable,
  stderr: Writable,
): Promise<number> {
  const at = argv.findIndex((word) => word === '-c' || !word.startsWith('-'));
  const word = argv[at];
  if (word === '-c') return runScript(argv.slice(at + 2), stdout, stderr);
  if (word !== undefined && basename(word) === 'main.py') return serve(word, argv.slice(at + 1), stderr);
  if (argv.includes('--version')) {
    stdout.write('Python 3.12.0\n');
    return 0;
  }
  stderr.write('The stand-in for Python runs main.py and -c only.\n');
  return 2;
}
