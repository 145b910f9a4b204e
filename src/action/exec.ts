import { AsyncLocalStorage } from 'node:async_hooks';
import type { ChildProcess } from 'node:child_process';
import { subscribe } from 'node:diagnostics_channel';
import { accessSync, constants, existsSync } from 'node:fs';
import { PassThrough } from 'node:stream';
import { exec } from '@actions/exec';
import type { Owner } from '../model/layout.ts';
import { cutOff, DRAIN_MS, isImpossible, letGo, Output } from '../platform/child-output.ts';
import { killTree } from '../platform/kill-tree.ts';
import type { ProcessOptions, ProcessPort, ProcessResult } from '../platform/process.ts';

/** A program of @actions/exec, which gives nobody the process: Node announces each that is made. */
class Program {
  /** Why there is no exit code. */
  failure: string | undefined;
  /** What it has started is meant to stay from then on. */
  hasEnded = false;
  #child: ChildProcess | undefined;
  #killed = false;
  readonly #hasInput: boolean;

  constructor(hasInput: boolean) {
    this.#hasInput = hasInput;
  }

  /** Takes the process while it is being made: it has no streams yet. */
  announced(child: ChildProcess): void {
    this.#child = child;
    this.#catchThrow(child);
    child.once('error', (error: NodeJS.ErrnoException) => {
      this.failure ??= error.code ?? error.name;
    });
    child.once('exit', (_code, signal) => {
      this.hasEnded = true;
      this.failure ??= signal ?? undefined;
    });
    child.once('spawn', () => {
      // A child that ends without reading its stdin is no error of ours; @actions/exec would crash.
      child.stdin?.on('error', () => undefined);
      if (!this.#hasInput) child.stdin?.end();
      if (this.#killed) this.kill();
    });
  }

  /** What Node throws, e.g. for too many words, @actions/exec catches nowhere, and it would wait for ever. */
  #catchThrow(child: ChildProcess): void {
    const making = child as ChildProcess & { spawn(options: unknown): unknown };
    const spawn = making.spawn;
    making.spawn = (options) => {
      try {
        return spawn.call(child, options);
      } catch (error) {
        child.stdin = new PassThrough();
        process.nextTick(() => child.emit('error', error));
        return undefined;
      }
    };
  }

  /** Ends it for certain, and what it has started, unless it has ended; nothing waits for who holds its output open. */
  kill(): void {
    if (this.hasEnded) return;
    this.#killed = true;
    if (this.#child === undefined) return;
    killTree(this.#child.pid);
    cutOff(this.#child);
  }

  /** Resolves where what has come is read; nothing keeps this process alive for it any more. */
  async settled(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    if (this.#child !== undefined) letGo(this.#child);
  }
}

const programs = new AsyncLocalStorage<Program>();
subscribe('child_process', (message) =>
  programs.getStore()?.announced((message as { process: ChildProcess }).process),
);

/** @actions/exec knows no other user; setpriv (util-linux, as flock) becomes one, and then the program. */
const SETPRIV = 'setpriv';

function commandAs(user: Owner | undefined, command: string, args: readonly string[]): [string, string[]] {
  if (user === undefined) return [command, [...args]];
  const become = [`--reuid=${user.uid}`, `--regid=${user.gid}`, '--clear-groups', '--'];
  return [SETPRIV, [...become, command, ...args]];
}

/** The code of an exit of setpriv that says that the program could not be run; undefined where it ran. */
function refusedAs(user: Owner | undefined, code: number, stderr: string): string | undefined {
  if (user === undefined || !stderr.startsWith(`${SETPRIV}: `)) return undefined;
  return code === 127 ? 'ENOENT' : code === 126 ? 'EACCES' : undefined;
}

/** Why a program was not even started, in Node's words: @actions/exec only has a sentence, with the path in it. */
function whyNotStarted(command: string): string {
  try {
    if (command.includes('/') && existsSync(command)) accessSync(command, constants.X_OK);
    return 'ENOENT';
  } catch {
    return 'EACCES';
  }
}

/** A word as @actions/exec takes words out of a line. */
const quoted = (word: string) => `"${word.replaceAll('"', '\\"')}"`;

async function runProgram(
  program: Program,
  command: string,
  args: readonly string[],
  options: ProcessOptions,
): Promise<ProcessResult> {
  const { user, cwd, env, input } = options;
  const [stdout, stderr] = [new Output(), new Output()];
  const ended = (code: number | null, failure?: string): ProcessResult => ({
    code,
    stdout: stdout.text,
    stdoutBytes: stdout.bytes,
    stderr: stderr.text,
    ...(failure !== undefined && { failure }),
  });
  const [tool, words] = commandAs(user, command, args);
  try {
    // Its type knows no `null`, which is what a killed program gives.
    const code: number | null = await exec(quoted(tool), words, {
      silent: true,
      delay: DRAIN_MS,
      ignoreReturnCode: true,
      listeners: { stdout: stdout.add, stderr: stderr.add },
      ...(input !== undefined && input !== '' && { input: Buffer.from(input) }),
      ...(cwd !== undefined && { cwd }),
      ...(env !== undefined && { env: env as Record<string, string> }),
    });
    await program.settled();
    if (code === null) return ended(null, program.failure);
    const refused = refusedAs(user, code, stderr.text);
    return refused === undefined ? ended(code) : { code: null, stdout: '', stderr: '', failure: refused };
  } catch {
    // Its message would repeat the command.
    return ended(null, program.failure ?? whyNotStarted(command));
  }
}

/**
 * The process port of the action: @actions/exec, silent, so that no argument and no output reaches the log. Ends as
 * `nodeProcess` does, with the same failures.
 */
export const actionProcess: ProcessPort = {
  run(command, args, options = {}) {
    const { user, timeoutMs, signal, input } = options;
    const result = (failure: string) => ({ code: null, stdout: '', stderr: '', failure });
    if (signal?.aborted) return Promise.resolve(result('ABORT_ERR'));
    if (isImpossible(command, args, options)) return Promise.resolve(result('EINVAL'));
    if (user !== undefined && process.geteuid?.() !== 0) return Promise.resolve(result('EPERM'));
    const program = new Program(input !== undefined && input !== '');
    return new Promise((resolve) => {
      const kill = () => program.kill();
      const timer = timeoutMs === undefined ? undefined : setTimeout(kill, timeoutMs);
      const abort = () => {
        if (program.hasEnded) return;
        kill();
        end(result('ABORT_ERR'));
      };
      const end = (how: ProcessResult) => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', abort);
        resolve(how);
      };
      signal?.addEventListener('abort', abort, { once: true });
      programs.run(program, () => runProgram(program, command, args, options)).then(end);
    });
  },
};
