import { isUtf8 } from 'node:buffer';
import type { World } from '../commands/world.ts';
import { Exit, Failure } from '../model/failure.ts';
import { bcryptPool } from '../platform/bcrypt-pool.ts';
import { systemClock } from '../platform/clock.ts';
import { nodeProcess } from '../platform/process.ts';

/** What the common options say about the output. */
export interface ScreenOptions {
  json?: boolean;
  quiet?: boolean;
  verbose?: boolean;
  /** commander's form of `--no-color`. */
  color?: boolean;
}

/** Colours only on a terminal, and not where NO_COLOR is set (no-color.org). */
export function wantsColor(options: ScreenOptions, stream: NodeJS.WriteStream): boolean {
  if (options.color === false || process.env.NO_COLOR) return false;
  return stream.isTTY === true;
}

/** Writes whole lines to stdout; resolves when they are out, so that ending the process cuts nothing off. */
export function print(lines: readonly string[]): Promise<void> {
  return new Promise((resolve) => {
    process.stdout.write(lines.map((line) => `${line}\n`).join(''), () => resolve());
  });
}

/** More than any password, and little enough to be held; as for a secret's file. */
const MAX_STDIN_BYTES = 64 * 1024;

function unusableStdin(why: string): Failure {
  return new Failure({
    code: 'stdin-unusable',
    exit: Exit.usage,
    message: `stdin ${why}`,
    remedy: 'write the password to stdin, and nothing else',
  });
}

async function readStdin(): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of process.stdin) {
    chunks.push(Buffer.from(chunk));
    size += chunk.length;
    if (size > MAX_STDIN_BYTES) throw unusableStdin(`holds more than ${MAX_STDIN_BYTES} bytes`);
  }
  const bytes = Buffer.concat(chunks);
  if (!isUtf8(bytes)) throw unusableStdin('is not UTF-8 text');
  return bytes.toString('utf8');
}

/** The working folder. Throws a Failure where it has been removed. */
function workingFolder(): string {
  try {
    return process.cwd();
  } catch {
    throw new Failure({
      code: 'folder-gone',
      exit: Exit.usage,
      message: 'the working folder is not there any more',
      remedy: 'change into a folder that is there',
    });
  }
}

const ERASE = '\r\u001b[K';

/** Progress on stderr: one line that is rewritten on a terminal, plain lines elsewhere. */
function progressTo(stream: NodeJS.WriteStream): { say(line: string): void; end(): void } {
  if (stream.isTTY !== true) return { say: (line) => void stream.write(`${line}\n`), end: () => undefined };
  return {
    say: (line) => void stream.write(ERASE + line.slice(0, Math.max(20, stream.columns - 1))),
    end: () => void stream.write(ERASE),
  };
}

/** The terminal's world. Progress goes to stderr: results on stdout stay clean. `quietly` ends the progress line;
 * `index` is the program's own file. */
export function terminalWorld(options: ScreenOptions, index: string): World & { quietly(): void } {
  const { say, end } = progressTo(process.stderr);
  const progress = options.quiet === true ? () => undefined : say;
  return {
    env: process.env,
    cwd: workingFolder(),
    clock: systemClock,
    process: nodeProcess,
    bcrypt: bcryptPool(index, (count) => progress(`comparing ${count} pairs of hash and password`)),
    stdin: readStdin,
    progress,
    quietly: options.quiet === true ? () => undefined : end,
  };
}
