import { spawn } from 'node:child_process';
import type { Owner } from '../model/layout.ts';
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
  stderr: string;
  /** Why there is no exit code, e.g. `ENOENT`, `SIGKILL`, `timeout`. */
  failure?: string;
}

/** Runs other programs. No shell, never a secret in `args`. Does not reject: a failure is a result. */
export interface ProcessPort {
  run(command: string, args: readonly string[], options?: ProcessOptions): Promise<ProcessResult>;
}

const MAX_OUTPUT_BYTES = 16 * 1024 * 1024;

/** Collects a stream's text up to a bound; what lies beyond is dropped. */
function collect(stream: NodeJS.ReadableStream): () => string {
  const chunks: Buffer[] = [];
  let size = 0;
  stream.on('data', (chunk: Buffer) => {
    if (size < MAX_OUTPUT_BYTES) chunks.push(chunk);
    size += chunk.length;
  });
  return () => Buffer.concat(chunks).toString('utf8');
}

/** The process port of the terminal and the container: `node:child_process`. */
export const nodeProcess: ProcessPort = {
  run(command, args, options = {}) {
    const { signal, timeoutMs } = options;
    return new Promise((resolve) => {
      if (signal?.aborted) {
        resolve({ code: null, stdout: '', stderr: '', failure: 'ABORT_ERR' });
        return;
      }
      const child = spawn(command, args, {
        cwd: options.cwd,
        env: options.env ?? process.env,
        stdio: ['pipe', 'pipe', 'pipe'],
        ...options.user,
      });
      const stdout = collect(child.stdout);
      const stderr = collect(child.stderr);
      const end = (code: number | null, failure?: string) => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', abort);
        resolve({ code, stdout: stdout(), stderr: stderr(), ...(failure !== undefined && { failure }) });
      };
      const kill = () => killTree(child.pid);
      const abort = () => {
        kill();
        end(null, 'ABORT_ERR');
      };
      const timer = timeoutMs === undefined ? undefined : setTimeout(kill, timeoutMs);
      signal?.addEventListener('abort', abort, { once: true });
      child.on('error', (error: NodeJS.ErrnoException) => end(null, error.code ?? error.message));
      child.on('close', (code, killed) => end(code, killed ?? undefined));
      // A child that ends without reading its stdin is no error of ours.
      child.stdin.on('error', () => undefined);
      child.stdin.end(options.input ?? '');
    });
  },
};
