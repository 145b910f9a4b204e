import { interrupted } from '../commands/interruption.ts';
import { findLayout } from '../commands/target.ts';
import type { Target, World } from '../commands/world.ts';
import { Failure } from '../model/failure.ts';

/** A cancelled job gets SIGINT, 7.5 s later SIGTERM, 2.5 s later a kill: long before, this process has ended. */
const GRACE_MS = 1_000;

/** The end of a job before its time. */
export interface Cancellation {
  /** Aborts where the runner cancels the job: commands then leave everything consistent by themselves. */
  signal: AbortSignal;
  /** Rejects where the grace after that is over. */
  overdue: Promise<never>;
}

/** Listens for the runner's signals from now on: none ends the process by itself any more. */
export function listenForCancellation(): Cancellation {
  const ending = new AbortController();
  const overdue = new Promise<never>((_, reject) => {
    const cancel = (name: string) => {
      if (ending.signal.aborted) return;
      ending.abort(new Error(`${name} (the job was cancelled)`));
      setTimeout(() => reject(ending.signal.reason), GRACE_MS);
    };
    // Heard every time: a second one would else cut off the last words.
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(name, () => cancel(name));
  });
  overdue.catch(() => undefined);
  return { signal: ending.signal, overdue };
}

/**
 * What `run` gives, or rejects with. Where the job is cancelled, and it does not say so itself in time, the Failure
 * `interrupted`; `atWork` tells whether a journal that is there then is its own.
 */
export async function unlessCancelled<T>(
  run: Promise<T>,
  { signal, overdue }: Cancellation,
  { target, world, atWork }: { target: Target; world: World; atWork: boolean },
): Promise<T> {
  try {
    return await Promise.race([run, overdue]);
  } catch (error) {
    if (!signal.aborted || error instanceof Failure) throw error;
    throw interrupted(findLayout(target, world).root, signal, world, atWork);
  }
}

/** Ends the process with what it has said, and with the exit code that was set, whatever still hangs. */
export function leave(): void {
  process.stdout.write('', () => process.exit());
}

/** Keeps on where nobody listens any more: a runner that went away is no reason to leave a change half done. */
export function outliveListeners(): void {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
}
