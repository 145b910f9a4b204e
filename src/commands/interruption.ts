import { Exit, Failure } from '../model/failure.ts';
import { pendingJournal } from '../store/journal.ts';
import { stateFolder } from '../store/state.ts';
import type { World } from './world.ts';

/**
 * The Failure of a command that was ended by a signal: says whether anything was changed, and what resumes. Files are
 * consistent in any case: a transaction's steps are not interrupted. `atWork` tells whether it had the lock: a journal
 * is another's otherwise.
 */
export function interrupted(root: string, signal: AbortSignal, world: World, atWork: boolean): Failure {
  const by = signal.reason instanceof Error ? signal.reason.message : 'a signal';
  const journal = atWork ? pendingJournal(stateFolder(root, world.env)) : null;
  if (journal === null) {
    return new Failure({
      code: 'interrupted',
      exit: Exit.unknown,
      message: `ended by ${by}; this run has changed no file`,
      remedy: 'run the same command again',
    });
  }
  const what =
    journal.files.length === 0
      ? 'a service was started anew, and is not proven'
      : `nothing is proven, and the journal tells what to put back: ${journal.files.join(', ')}`;
  return new Failure({
    code: 'interrupted',
    exit: Exit.notRestored,
    message: `ended by ${by} in the middle (${journal.phase}); ${what}`,
    remedy:
      'comfyui-auth deploy   # first puts the old files back and proves them; comfyui-auth sync does, too',
  });
}
