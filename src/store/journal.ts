import { createHmac } from 'node:crypto';
import { renameSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import type { Owner } from '../model/layout.ts';
import { BACKUP_ID } from './backups.ts';
import { syncFolder } from './folder.ts';
import { readRegular } from './read-file.ts';
import { nameBeside } from './replace.ts';
import type { StateFolder } from './state.ts';
import { attempt } from './system-call.ts';
import { removeFile, writeNew } from './write-new.ts';

/**
 * How far a transaction got (reliability.md §2). STAGING comes before anything is put beside a file, so that
 * what a kill leaves there is known; up to PREPARED no file has changed; only COMMITTED keeps the new ones.
 */
const PHASES = ['STAGING', 'PREPARED', 'APPLIED', 'RESTARTED', 'COMMITTED'] as const;
export type Phase = (typeof PHASES)[number];

/** A file's content by a digest that is salted per journal, with what else a rollback must restore. */
interface Facts {
  digest: string;
  mode: number;
  owner: Owner;
}

export interface JournalFile {
  path: string;
  /** null: the file did not exist. */
  before: Facts | null;
  /** The digest of the new content. */
  after: string;
}

/** A service that reads the files of a transaction, and whether it ran before: then a rollback starts it again. */
export interface JournalService {
  name: string;
  running: boolean;
}

/** What a recovery must know. Never a value. The names beside the files follow from `id`, so that none can be forged. */
export interface Journal {
  version: 1;
  /** The state folder that it was written in: in a copy of it, it would speak of files that are not the copy's. */
  home: string;
  /** 16 random hex digits. */
  id: string;
  phase: Phase;
  command: string;
  /** What was to be restarted and proven; none where only files change. */
  services: JournalService[];
  salt: string;
  backup: string;
  /** Folders that the transaction makes, outermost first. */
  folders: string[];
  files: JournalFile[];
}

/** Where the new content waits. */
export const stagedName = (journal: Journal, file: JournalFile): string =>
  nameBeside(file.path, journal.id, 'new');

/** Where the old file is kept while it may have to come back. */
export const keptName = (journal: Journal, file: JournalFile): string =>
  nameBeside(file.path, journal.id, 'old');

export const saltedDigest = (salt: string, bytes: Buffer): string =>
  createHmac('sha256', salt).update(bytes).digest('hex');

const journalPath = (state: StateFolder): string => join(state.path, 'journal.json');
const tempPath = (state: StateFolder): string => join(state.path, 'journal.new');

/** Puts a journal in the place of the last, durably. Its temporary name is fixed: the lock is held. */
export function writeJournal(state: StateFolder, journal: Journal): void {
  const path = journalPath(state);
  const temp = tempPath(state);
  removeFile(temp);
  writeNew(temp, Buffer.from(`${JSON.stringify(journal)}\n`));
  attempt('replace it', path, () => renameSync(temp, path));
  syncFolder(state.path);
}

/** Ends a transaction: nothing of it is left to do. */
export function removeJournal(state: StateFolder): void {
  removeFile(tempPath(state));
  if (removeFile(journalPath(state))) syncFolder(state.path);
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isPath = (value: unknown): value is string => typeof value === 'string' && isAbsolute(value);

const isDigest = (value: unknown): boolean => typeof value === 'string' && /^[0-9a-f]{64}$/.test(value);

const isFacts = (value: unknown): boolean =>
  isRecord(value) &&
  isDigest(value.digest) &&
  Number.isInteger(value.mode) &&
  isRecord(value.owner) &&
  Number.isInteger(value.owner.uid) &&
  Number.isInteger(value.owner.gid);

const isJournalFile = (value: unknown): boolean =>
  isRecord(value) &&
  isPath(value.path) &&
  isDigest(value.after) &&
  (value.before === null || isFacts(value.before));

const isService = (value: unknown): boolean =>
  isRecord(value) && typeof value.name === 'string' && typeof value.running === 'boolean';

function isJournal(value: unknown): value is Journal {
  if (!isRecord(value) || value.version !== 1) return false;
  const { home, id, phase, command, services, salt, backup, folders, files } = value;
  return (
    isPath(home) &&
    typeof id === 'string' &&
    /^[0-9a-f]{16}$/.test(id) &&
    PHASES.some((known) => known === phase) &&
    typeof command === 'string' &&
    Array.isArray(services) &&
    services.every(isService) &&
    typeof salt === 'string' &&
    typeof backup === 'string' &&
    BACKUP_ID.test(backup) &&
    Array.isArray(folders) &&
    folders.every(isPath) &&
    Array.isArray(files) &&
    files.every(isJournalFile)
  );
}

/**
 * The journal of a state folder. `unreadable`: damaged, or another user's: what it names is renamed and removed
 * with our rights, so only our own is believed. Never throws.
 */
export function readJournal(state: StateFolder): Journal | 'missing' | 'unreadable' {
  const found = readRegular(journalPath(state));
  if (found.kind === 'missing') return 'missing';
  if (found.kind !== 'file') return 'unreadable';
  if (process.geteuid !== undefined && found.owner.uid !== process.geteuid()) return 'unreadable';
  try {
    const value: unknown = JSON.parse(found.bytes.toString('utf8'));
    return isJournal(value) ? value : 'unreadable';
  } catch {
    return 'unreadable';
  }
}

export interface PendingJournal {
  phase: Phase | 'unreadable';
  command: string;
  files: string[];
}

/** What an interrupted command left to finish, for those who only report it; null where nothing. Never throws. */
export function pendingJournal(state: StateFolder): PendingJournal | null {
  const journal = readJournal(state);
  if (journal === 'missing') return null;
  if (journal === 'unreadable') return { phase: 'unreadable', command: 'unknown', files: [] };
  return { phase: journal.phase, command: journal.command, files: journal.files.map((file) => file.path) };
}
