import type { ProcessPort, ProcessResult } from '../platform/process.ts';
import { type Bounds, runBounded } from './bounded.ts';

/** A question to the engine takes a tenth of a second; on a machine that swaps, some. */
export const QUESTION_MS = 15_000;

/** The `docker` command, for calls that take a moment. */
export class DockerCommand {
  readonly #process: ProcessPort;
  readonly #env: NodeJS.ProcessEnv;
  /** How long a question may take. */
  readonly timeoutMs: number;

  /** `env` is the whole environment of the command; no call takes longer than `timeoutMs`, or than a question may. */
  constructor(process: ProcessPort, env: NodeJS.ProcessEnv, timeoutMs: number) {
    this.#process = process;
    this.#env = env;
    this.timeoutMs = Math.min(timeoutMs, QUESTION_MS);
  }

  /** Rejects only where the signal is aborted. */
  run(args: readonly string[], { signal, timeoutMs = this.timeoutMs }: Bounds = {}): Promise<ProcessResult> {
    const bounded = Math.min(timeoutMs, this.timeoutMs);
    return runBounded(this.#process, 'docker', args, { env: this.#env, timeoutMs: bounded, signal });
  }
}
