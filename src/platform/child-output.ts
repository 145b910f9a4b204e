import type { ChildProcess } from 'node:child_process';
import { Socket } from 'node:net';

const MAX_OUTPUT_BYTES = 16 * 1024 * 1024;

/** How long a program's last words are waited for after its end: a daemon that it has started may hold its output open. */
export const DRAIN_MS = 200;

/** Collects a stream up to a bound; what lies beyond is dropped. */
export class Output {
  readonly #chunks: Buffer[] = [];
  #size = 0;

  readonly add = (chunk: Buffer): void => {
    if (this.#size < MAX_OUTPUT_BYTES) this.#chunks.push(chunk);
    this.#size += chunk.length;
  };

  get bytes(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  get text(): string {
    return this.bytes.toString('utf8');
  }
}

/** Whether no system takes such a call: a program without a name, or a NUL in a word, the environment or the folder. */
export function isImpossible(
  command: string,
  args: readonly string[],
  { cwd = '', env = {} }: { cwd?: string; env?: NodeJS.ProcessEnv },
): boolean {
  const words = [command, ...args, cwd, ...Object.entries(env).flat()];
  return command === '' || words.some((one) => one?.includes('\0'));
}

/**
 * Stops waiting for a program that has ended. Whoever still writes to its output is read on while this process lives:
 * closed, the output would end a daemon with SIGPIPE.
 */
export function letGo({ stdin, stdout, stderr }: ChildProcess): void {
  stdin?.destroy();
  for (const stream of [stdout, stderr]) if (stream instanceof Socket) stream.unref();
}

/** Closes the output of a program that was ended by force: nobody waits for who still holds it open. */
export function cutOff({ stdout, stderr }: ChildProcess): void {
  stdout?.destroy();
  stderr?.destroy();
}
