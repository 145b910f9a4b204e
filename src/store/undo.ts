import { renameSync } from 'node:fs';
import { dirname } from 'node:path';
import { Exit, Failure } from '../model/failure.ts';
import { pruneBackups, removeBackup } from './backups.ts';
import { removeFolders, syncFolder } from './folder.ts';
import {
  type Journal,
  type JournalFile,
  keptName,
  removeJournal,
  saltedDigest,
  stagedName,
} from './journal.ts';
import { readRegular } from './read-file.ts';
import type { StateFolder } from './state.ts';
import { attempt, exists } from './system-call.ts';
import { ignoring, removeFile } from './write-new.ts';

/** `untouched`: never renamed onto · `new`: ours, to be put back · `old`: as it was · `foreign`: somebody else's. */
type Standing = 'untouched' | 'new' | 'old' | 'foreign' | 'unreadable';

/** What stands at a file's path. A staged file that still waits beside it proves that it was not renamed. */
function standing(journal: Journal, file: JournalFile): Standing {
  if (journal.phase === 'STAGING' || exists(stagedName(journal, file))) return 'untouched';
  const kept = file.before !== null && exists(keptName(journal, file));
  const found = readRegular(file.path);
  if (found.kind === 'unreadable') return 'unreadable';
  if (found.kind === 'not-a-file') return 'foreign';
  if (found.kind === 'missing') {
    if (file.before === null) return 'old';
    return kept ? 'new' : 'foreign';
  }
  const digest = saltedDigest(journal.salt, found.bytes);
  if (digest === file.after && (kept || file.before === null)) return 'new';
  return digest === file.before?.digest ? 'old' : 'foreign';
}

const WORDS: Record<Standing, string> = {
  untouched: 'as it was',
  new: 'the new content',
  old: 'as it was',
  foreign: 'changed by somebody else since',
  unreadable: 'cannot be read',
};

function describe(journal: Journal, file: JournalFile): string {
  try {
    return `${file.path}: ${WORDS[standing(journal, file)]}`;
  } catch {
    return `${file.path}: ${WORDS.unreadable}`;
  }
}

/** The Failure of exit 6: says of each file what stands there, and the command that resumes. */
export function notRestored(journal: Journal, why: string, remedy?: string): Failure {
  const stands = journal.files.map((file) => describe(journal, file)).join('; ');
  return new Failure({
    code: 'not-restored',
    exit: Exit.notRestored,
    message: `Not all files could be put back (${why}). What stands where: ${stands}.`,
    remedy: remedy ?? 'Clear the cause, then run `comfyui-auth sync`: it first puts the rest back.',
  });
}

/** Nothing is put back over what is somebody else's, or could be. */
function refuseUnclear(journal: Journal, stands: Map<JournalFile, Standing>): void {
  const unreadable = journal.files.find((file) => stands.get(file) === 'unreadable');
  if (unreadable !== undefined) throw notRestored(journal, `${unreadable.path} cannot be read`);
  const foreign = journal.files.filter((file) => stands.get(file) === 'foreign');
  if (foreign.length === 0) return;
  const names = foreign.map((file) => file.path).join(', ');
  throw notRestored(
    journal,
    `changed by somebody else since: ${names}`,
    `Move ${names} away, then run \`comfyui-auth sync\`: it first puts the old content there.`,
  );
}

/** The folders of files; one that was still to be made is left out. */
const foldersOf = (files: readonly JournalFile[]): string[] =>
  [...new Set(files.map((file) => dirname(file.path)))].filter(exists);

function putBack(journal: Journal, file: JournalFile): void {
  if (file.before === null) removeFile(file.path);
  else attempt('put it back', file.path, () => renameSync(keptName(journal, file), file.path));
}

function verifyRestored(journal: Journal, file: JournalFile): void {
  const found = readRegular(file.path);
  const { before } = file;
  const same =
    before === null
      ? found.kind === 'missing'
      : found.kind === 'file' &&
        saltedDigest(journal.salt, found.bytes) === before.digest &&
        found.mode === before.mode &&
        found.owner.uid === before.owner.uid &&
        found.owner.gid === before.owner.gid;
  if (!same) throw notRestored(journal, `${file.path} does not read back as it was`);
}

/**
 * Puts every file back as the journal says it was: by rename, which needs no space. Can be repeated after a kill
 * at any point. Throws a Failure of exit 6 where that is not possible; where a file is somebody else's, or cannot be
 * read, before anything was touched.
 */
export function restoreFiles(journal: Journal): void {
  try {
    const stands = new Map(journal.files.map((file) => [file, standing(journal, file)]));
    refuseUnclear(journal, stands);
    const replaced = journal.files.filter((file) => stands.get(file) === 'new');
    for (const file of replaced) putBack(journal, file);
    for (const folder of foldersOf(replaced)) syncFolder(folder);
    for (const file of replaced) verifyRestored(journal, file);
  } catch (error) {
    if (error instanceof Failure && error.exit !== Exit.notRestored)
      throw notRestored(journal, error.message);
    throw error;
  }
}

/** The olds before the staged: as long as a staged file waits, its path is known to be untouched. */
function removeBeside(journal: Journal): void {
  for (const file of journal.files) {
    removeFile(keptName(journal, file));
    removeFile(stagedName(journal, file));
  }
  for (const folder of foldersOf(journal.files)) syncFolder(folder);
}

/** After `restoreFiles`: removes what the transaction put beside the files, its folders, its backup, its journal. */
export function sweepRolledBack(state: StateFolder, journal: Journal): void {
  removeBeside(journal);
  removeFolders(journal.folders);
  removeBackup(state, journal.backup);
  removeJournal(state);
}

/** After COMMITTED: removes what is no longer needed; the backup set stays, the oldest go. */
export function sweepCommitted(state: StateFolder, journal: Journal): void {
  removeBeside(journal);
  // An old set that cannot be removed must not keep the journal pending.
  ignoring(() => pruneBackups(state));
  removeJournal(state);
}
