import { renameSync } from 'node:fs';
import { dirname } from 'node:path';
import { Exit, Failure } from '../model/failure.ts';
import { realPath } from '../platform/real-path.ts';
import { makeBackup, newBackupId } from './backups.ts';
import { type CheckedChange, checkChange, type FileChange, requireUnchanged } from './change.ts';
import { missingFolders, syncFolder } from './folder.ts';
import {
  type Journal,
  type JournalFile,
  keptName,
  type Phase,
  readJournal,
  saltedDigest,
  stagedName,
  writeJournal,
} from './journal.ts';
import { mountPoint, randomName, readBack } from './replace.ts';
import { type StagedChange, stage } from './stage.ts';
import type { StateFolder } from './state.ts';
import { attempt, errnoOf } from './system-call.ts';
import { notRestored, restoreFiles, sweepCommitted, sweepRolledBack } from './undo.ts';
import { noting, type Transaction, withoutFiles } from './without-files.ts';
import { ignoring } from './write-new.ts';

export type { FileChange } from './change.ts';
export type { Transaction } from './without-files.ts';

export interface TransactionMeta {
  command: string;
  now?: Date;
}

function requireDistinct(changes: readonly FileChange[]): void {
  const paths = new Set(changes.map((change) => change.path));
  if (paths.size !== changes.length) throw new Error('a transaction names a file twice');
}

function requireNoJournal(state: StateFolder): void {
  if (readJournal(state) === 'missing') return;
  throw new Failure({
    code: 'journal-pending',
    exit: Exit.unknown,
    message: `${state.path}: an interrupted command has not been recovered`,
    remedy: 'Run `comfyui-auth sync`: it recovers first.',
  });
}

function newJournal(state: StateFolder, changes: readonly CheckedChange[], meta: TransactionMeta): Journal {
  const salt = randomName();
  const files = changes.map(({ path, content, old }): JournalFile => {
    const before = old && { digest: saltedDigest(salt, old.bytes), mode: old.mode, owner: old.owner };
    return { path, before, after: saltedDigest(salt, content) };
  });
  const folders = [...new Set(changes.flatMap((change) => missingFolders(change.path)))];
  const { command, now = new Date() } = meta;
  const backup = newBackupId(now);
  return {
    version: 1,
    home: realPath(state.path),
    id: randomName(),
    phase: 'STAGING',
    command,
    services: [],
    salt,
    backup,
    folders,
    files,
  };
}

/** The changes with their names beside the files; both lists have one order. */
function withNames(changes: readonly CheckedChange[], journal: Journal): StagedChange[] {
  return changes.flatMap((change, index) => {
    const file = journal.files[index];
    return file === undefined
      ? []
      : [{ ...change, staged: stagedName(journal, file), kept: keptName(journal, file) }];
  });
}

function renameAll(changes: readonly StagedChange[]): void {
  for (const { path, staged } of changes) {
    attempt('replace it', path, () => {
      try {
        renameSync(staged, path);
      } catch (error) {
        throw errnoOf(error) === 'EBUSY' ? mountPoint(path) : error;
      }
    });
  }
  for (const folder of new Set(changes.map((change) => dirname(change.path)))) syncFolder(folder);
}

/** The first failure, with the word that all is as before. */
function asUndone(error: unknown): unknown {
  if (!(error instanceof Failure)) return error;
  const { code, exit, message, remedy, location } = error;
  return new Failure({
    code,
    exit,
    message: `${message}; all files are as they were`,
    remedy,
    ...(location !== undefined && { location }),
    cause: error,
  });
}

function open(state: StateFolder, changes: StagedChange[], start: Journal): Transaction {
  let journal = start;
  const advance = (phase: Phase) => {
    const next = { ...journal, phase };
    writeJournal(state, next);
    journal = next;
  };
  const restore = () => restoreFiles(journal);
  // The files are back. What could not be removed is named in the journal, and goes with the next command.
  const forget = () => ignoring(() => sweepRolledBack(state, journal));
  // Services that were told to read the new files are not back yet: until then a kill is recovered.
  const mayBeRead = () =>
    (journal.phase === 'APPLIED' || journal.phase === 'RESTARTED') && journal.services.length > 0;
  const orRollBack = (steps: () => void) => {
    try {
      steps();
    } catch (error) {
      if (error instanceof Failure && error.exit === Exit.notRestored) throw error;
      restore();
      if (!mayBeRead()) forget();
      throw asUndone(error);
    }
  };
  return {
    id: journal.id,
    files: changes.map((change) => change.path),
    restore,
    forget,
    apply: () =>
      orRollBack(() => {
        advance('STAGING');
        stage(changes, journal.folders);
        const olds = changes.map(({ path, old }) => ({ path, file: old }));
        makeBackup(state, journal.backup, journal.command, olds);
        advance('PREPARED');
        for (const { path, old } of changes) requireUnchanged(path, old?.identity ?? null);
        renameAll(changes);
        for (const { path, content } of changes) readBack(path, content);
        advance('APPLIED');
      }),
    begun(service) {
      const next = { ...journal, services: noting(journal, service) };
      writeJournal(state, next);
      journal = next;
    },
    markRestarted() {
      if (journal.phase === 'APPLIED') advance('RESTARTED');
    },
    commit() {
      orRollBack(() => {
        const { phase } = journal;
        try {
          advance('COMMITTED');
        } catch (error) {
          // The failed write may have come as far as the journal's place: a rollback under COMMITTED would end mixed.
          const found = readJournal(state);
          if (found === 'missing' || (found !== 'unreadable' && found.phase === phase)) throw error;
          try {
            advance(phase);
          } catch {
            throw notRestored(journal, 'the end of the change could not be recorded');
          }
          throw error;
        }
      });
      ignoring(() => sweepCommitted(state, journal));
      return { backup: journal.backup };
    },
  };
}

/**
 * Begins a transaction. The lock must be held and any journal recovered. Checks every change before anything is
 * written and throws a Failure: what `validate` throws; exit 2 `not-a-file`, `hard-link`; exit 3 `file-unreadable`,
 * `changed-underneath`, `journal-pending`. Changes that change nothing are dropped.
 */
export function begin(
  state: StateFolder,
  changes: readonly FileChange[],
  meta: TransactionMeta,
): Transaction {
  requireDistinct(changes);
  requireNoJournal(state);
  const checked = changes.flatMap((change) => checkChange(change) ?? []);
  const journal = newJournal(state, checked, meta);
  if (checked.length === 0) return withoutFiles(state, journal);
  return open(state, withNames(checked, journal), journal);
}
