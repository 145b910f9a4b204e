import type { ProcessOptions, ProcessPort, ProcessResult } from '../platform/process.ts';

/** What ends a question early: a signal, or a shorter time than questions usually have. */
export interface Bounds {
  signal?: AbortSignal | undefined;
  timeoutMs?: number;
}

/**
 * Runs a program for at most `timeoutMs`; then the result's failure is `timeout`. Does not wait for a program's own
 * children, which can hold its output open after it was killed: `docker` starts Compose as one. Rejects with the
 * signal's reason where that is aborted.
 */
export async function runBounded(
  process: ProcessPort,
  command: string,
  args: readonly string[],
  options: Omit<ProcessOptions, 'signal'> & { timeoutMs: number; signal?: AbortSignal | undefined },
): Promise<ProcessResult> {
  const { timeoutMs, signal: outer, ...rest } = options;
  outer?.throwIfAborted();
  const ending = new AbortController();
  const abort = () => ending.abort();
  const timer = setTimeout(abort, timeoutMs);
  outer?.addEventListener('abort', abort, { once: true });
  const cut = new Promise<ProcessResult>((resolve) => {
    const result = { code: null, stdout: '', stderr: '', failure: 'timeout' };
    ending.signal.addEventListener('abort', () => resolve(result), { once: true });
  });
  try {
    const result = await Promise.race([cut, process.run(command, args, { ...rest, signal: ending.signal })]);
    outer?.throwIfAborted();
    return result;
  } finally {
    clearTimeout(timer);
    outer?.removeEventListener('abort', abort);
  }
}
