import { type Journal, type JournalService, removeJournal, writeJournal } from './journal.ts';
import type { StateFolder } from './state.ts';

/**
 * All of a plan's writes, or none (reliability.md §2). Each step is synchronous: no signal handler can run in the
 * middle of one, and a SIGINT or SIGTERM between two leaves a journal that the next command recovers.
 */
export interface Transaction {
  /** 16 hex digits; empty where there was nothing to change. */
  readonly id: string;
  /** The files that change. */
  readonly files: readonly string[];
  /** Stages all, renames all, reads all back. On a Failure (exit 5; 3 `changed-underneath`) all files are as before; exit 6 says what stands where. */
  apply(): void;
  /** After `apply`: notes that a service is about to read the files, for whoever has to bring it back. */
  begun(service: JournalService): void;
  /** Notes that it may have read them. */
  markRestarted(): void;
  /**
   * Makes the change final and gives the set of old files that was kept; null where there was nothing to change. On a
   * Failure of exit 5 the old files are back; where the journal names services, they are the caller's to bring back
   * before `forget`. Exit 6: the new files stand.
   */
  commit(): { backup: string | null };
  /**
   * Puts the old files back after `apply`; a kill from here on is recovered as one before. Throws a Failure of exit 6
   * where that is not possible.
   */
  restore(): void;
  /** After `restore`, when the services are back too: removes what the transaction left beside the files. */
  forget(): void;
}

/** The services of a journal with one more. */
export const noting = (journal: Journal, service: JournalService): JournalService[] => [
  ...journal.services.filter((one) => one.name !== service.name),
  service,
];

/** Where no file changes: the journal only tells of services that are made to read the files as they stand. */
export function withoutFiles(state: StateFolder, start: Journal): Transaction {
  let journal: Journal = { ...start, phase: 'APPLIED' };
  let isNoted = false;
  const write = (next: Journal) => {
    writeJournal(state, next);
    journal = next;
    isNoted = true;
  };
  const end = () => {
    if (isNoted) removeJournal(state);
  };
  return {
    id: '',
    files: [],
    apply: () => undefined,
    begun: (service) => write({ ...journal, services: noting(journal, service) }),
    markRestarted() {
      if (isNoted && journal.phase === 'APPLIED') write({ ...journal, phase: 'RESTARTED' });
    },
    commit() {
      end();
      return { backup: null };
    },
    restore: () => undefined,
    forget: end,
  };
}
