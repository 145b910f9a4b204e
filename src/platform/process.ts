import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import type { Owner } from '../model/layout.ts';
import { cutOff, DRAIN_MS, isImpossible, letGo, Output } from './child-output.ts';
import { killTree } from './kill-tree.ts';

export interface ProcessOptions {
  cwd?: string;
  /** The whole environment of the child. */
  env?: NodeJS.ProcessEnv;
  /** Written to the child's stdin, which is then closed: the way in which a secret travels. */
  input?: string;
  timeoutMs?: number;
  /** Who the child runs as; only root can choose. */
  user?: Owner;
  /** Kills the child, and what it has started, where it is aborted. */
  signal?: AbortSignal;
}

export interface ProcessResult {
  /** The exit code; null where the program could not be started, was killed, or ran out of time. */
  code: number | null;
  stdout: string;
  /** The same before it was read as UTF-8; absent where there was none. */
  stdoutBytes?: Buffer;
  stderr: string;
  /** Why there is no exit code, e.g. `ENOENT`, `SIGKILL`, `timeout`. */
  failure?: string;
}

/**
 * Runs other programs. No shell, never a secret in `args`. Does not reject: a failure is a result. Waits for the program
 * itself, not for a daemon that it has started, which may hold its output open; that goes on.
 */
export interface ProcessPort {
  run(command: string, args: readonly string[], options?: ProcessOptions): Promise<ProcessResult>;
}

const failed = (failure: string): ProcessResult => ({ code: null, stdout: '', stderr: '', failure });

/** The process port of the terminal and the container: `node:child_process`. */
export const nodeProcess: ProcessPort = {
  run(command, args, options = {}) {
    const { signal } = options;
    if (signal?.aborted) return Promise.resolve(failed('ABORT_ERR'));
    if (isImpossible(command, args, options)) return Promise.resolve(failed('EINVAL'));
    try {
      const { cwd, env = process.env, user } = options;
      return ended(spawn(command, args, { cwd, env, stdio: ['pipe', 'pipe', 'pipe'], ...user }), options);
    } catch (error) {
      // Thrown at once where there are too many words, or the user may not be chosen.
      return Promise.resolve(failed((error as NodeJS.ErrnoException).code ?? 'EINVAL'));
    }
  },
};

/** How a program ends, and what it has said until then. */
function ended(child: ChildProcessWithoutNullStreams, options: ProcessOptions): Promise<ProcessResult> {
  const { signal, timeoutMs } = options;
  return new Promise((resolve) => {
    const [stdout, stderr] = [new Output(), new Output()];
    child.stdout.on('data', stdout.add);
    child.stderr.on('data', stderr.add);
    const end = (code: number | null, failure?: string) => {
      unhand();
      clearTimeout(drain);
      letGo(child);
      resolve({
        code,
        stdout: stdout.text,
        stdoutBytes: stdout.bytes,
        stderr: stderr.text,
        ...(failure !== undefined && { failure }),
      });
    };
    const kill = () => {
      killTree(child.pid);
      cutOff(child);
    };
    const abort = () => {
      kill();
      end(null, 'ABORT_ERR');
    };
    /** From its end on nothing of it may be ended any more: what it has started is meant to stay. */
    const unhand = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
    };
    const timer = timeoutMs === undefined ? undefined : setTimeout(kill, timeoutMs);
    let drain: NodeJS.Timeout | undefined;
    signal?.addEventListener('abort', abort, { once: true });
    child.on('error', (error: NodeJS.ErrnoException) => end(null, error.code ?? error.message));
    child.on('exit', (code, killed) => {
      unhand();
      // The turn after that: what has come is read before it is told.
      drain = setTimeout(() => setImmediate(end, code, killed ?? undefined), DRAIN_MS);
    });
    child.on('close', (code, killed) => end(code, killed ?? undefined));
    // A child that ends without reading its stdin is no error of ours.
    child.stdin.on('error', () => undefined);
    child.stdin.end(options.input ?? '');
  });
}
