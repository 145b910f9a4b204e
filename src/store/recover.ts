import { Exit, Failure } from '../model/failure.ts';
import { realPath } from '../platform/real-path.ts';
import { type Journal, type JournalService, type Phase, readJournal, removeJournal } from './journal.ts';
import type { StateFolder } from './state.ts';
import { restoreFiles, sweepCommitted, sweepRolledBack } from './undo.ts';

export interface Recovery {
  /** `cleaned`: the change stood already, or no file had changed · `rolled-back`: files were put back. */
  action: 'none' | 'cleaned' | 'rolled-back';
  /** How far the interrupted command had got; from APPLIED on a service may have read the new files. */
  phase?: Phase;
  command?: string;
  files: string[];
  /** Services that may run with what was put back from: to be restarted and proven before `finish`. */
  services: JournalService[];
  /** Ends the recovery: until then a kill leaves it to the next command. */
  finish(): void;
}

const done = () => undefined;

/** A journal names its files in full: in a copy of their folder it would undo what has been done in the first since. */
function requireHome({ path }: StateFolder, { home }: Journal): void {
  if (realPath(path) === home) return;
  throw new Failure({
    code: 'journal-moved',
    exit: Exit.unknown,
    message: `${path}: the journal of an interrupted command was written in ${home}; nothing was touched`,
    remedy:
      `Where the folder was moved: move it back, run \`comfyui-auth sync\` there, and move it again. Where this is a copy: ` +
      'look at its files, put the old ones (`.NAME.*.old`) in place of the new, then remove journal.json.',
    location: { path },
  });
}

/**
 * Puts the files in order that an interrupted command left (reliability.md §2). The lock must be held. Throws a
 * Failure, here or in `finish`: exit 6 where not all can be put back, 5 where only the cleaning up failed, 3 for a
 * journal that is damaged, or was written in another place.
 */
export function recover(state: StateFolder): Recovery {
  const journal = readJournal(state);
  if (journal === 'unreadable') {
    throw new Failure({
      code: 'journal-unreadable',
      exit: Exit.unknown,
      message: `${state.path}: the journal is damaged, or another user's; nothing was touched`,
      remedy:
        'Run the command as the user whom the journal belongs to. Where it is damaged: the old files stand beside ' +
        'the new ones as `.NAME.*.old`; put them in order, then remove journal.json.',
      location: { path: state.path },
    });
  }
  if (journal === 'missing') {
    // A kill while the first journal was being written leaves its temporary file.
    removeJournal(state);
    return { action: 'none', files: [], services: [], finish: done };
  }
  const { phase, command } = journal;
  requireHome(state, journal);
  const files = journal.files.map((file) => file.path);
  if (phase === 'COMMITTED') {
    const finish = () => sweepCommitted(state, journal);
    return { action: 'cleaned', phase, command, files, services: [], finish };
  }
  restoreFiles(journal);
  return {
    action: phase === 'STAGING' ? 'cleaned' : 'rolled-back',
    phase,
    command,
    files,
    // Before APPLIED no service was told to read anything.
    services: phase === 'APPLIED' || phase === 'RESTARTED' ? journal.services : [],
    finish: () => sweepRolledBack(state, journal),
  };
}
