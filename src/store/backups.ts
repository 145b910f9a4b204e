import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { Exit, Failure } from '../model/failure.ts';
import type { Owner } from '../model/layout.ts';
import { FOLDER_MODE, makeFolder, syncFolder } from './folder.ts';
import { digestOf, type RegularFile, readRegular } from './read-file.ts';
import { readBack } from './replace.ts';
import type { StateFolder } from './state.ts';
import { attempt, exists, unless } from './system-call.ts';
import { removeFile, writeNew } from './write-new.ts';

/** A UTC timestamp, so that names sort by age, and four random hex digits. */
export const BACKUP_ID = /^\d{8}T\d{6}\.\d{3}Z-[0-9a-f]{4}$/;

const BACKUPS_KEPT = 10;
const MANIFEST = 'manifest.json';

/** One file of a set, as it was before the change. */
export interface BackupEntry {
  path: string;
  /** null: the file did not exist. */
  was: { digest: string; mode: number; owner: Owner } | null;
}

export interface BackupSet {
  id: string;
  /** The command that made the change. */
  command: string;
  files: BackupEntry[];
}

const backupsFolder = (state: StateFolder): string => join(state.path, 'backups');
const setFolder = (state: StateFolder, id: string): string => join(backupsFolder(state), id);

/** A name for a new set. */
export function newBackupId(now: Date): string {
  const stamp = now.toISOString().replaceAll('-', '').replaceAll(':', '');
  return `${stamp}-${randomBytes(2).toString('hex')}`;
}

/** Keeps old files as a set: 0600 in a 0700 folder, durable, each read back. Throws a Failure. */
export function makeBackup(
  state: StateFolder,
  id: string,
  command: string,
  olds: readonly { path: string; file: RegularFile | null }[],
): void {
  if (!exists(backupsFolder(state))) makeFolder(backupsFolder(state));
  const folder = setFolder(state, id);
  attempt('make the folder', folder, () => mkdirSync(folder, FOLDER_MODE));
  const files = olds.map(({ path, file }, index): BackupEntry => {
    if (file === null) return { path, was: null };
    const copy = join(folder, String(index));
    writeNew(copy, file.bytes);
    readBack(copy, file.bytes);
    return { path, was: { digest: file.identity.digest, mode: file.mode, owner: file.owner } };
  });
  const manifest: BackupSet = { id, command, files };
  writeNew(join(folder, MANIFEST), Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`));
  syncFolder(folder);
  syncFolder(backupsFolder(state));
}

/** Removes a set; the manifest first, so that what a kill leaves is no set. None there is no error. */
export function removeBackup(state: StateFolder, id: string): void {
  const folder = setFolder(state, id);
  removeFile(join(folder, MANIFEST));
  attempt('remove the backup', folder, () => rmSync(folder, { recursive: true, force: true }));
}

/** The names of the folders that hold sets or what is left of one, oldest first. */
function backupIds(state: StateFolder): string[] {
  const folder = backupsFolder(state);
  const names = attempt('list it', folder, () => unless(['ENOENT'], () => readdirSync(folder))) ?? [];
  return names.filter((name) => BACKUP_ID.test(name)).sort();
}

/** Removes all sets but the newest ten. */
export function pruneBackups(state: StateFolder): void {
  for (const id of backupIds(state).slice(0, -BACKUPS_KEPT)) removeBackup(state, id);
}

function parseManifest(bytes: Buffer): BackupSet | undefined {
  try {
    const set = JSON.parse(bytes.toString('utf8')) as BackupSet;
    return set.files.every(({ path }) => isAbsolute(path)) ? set : undefined;
  } catch {
    return undefined;
  }
}

/** The sets that are kept, newest first. Throws a Failure where the folder cannot be read. */
export function listBackups(state: StateFolder): BackupSet[] {
  return backupIds(state)
    .reverse()
    .flatMap((id) => {
      const manifest = readRegular(join(setFolder(state, id), MANIFEST));
      return (manifest.kind === 'file' && parseManifest(manifest.bytes)) || [];
    });
}

/** The old content of one file of a set, checked against its digest. Throws a Failure where it is not whole. */
export function readBackup(state: StateFolder, set: BackupSet, entry: BackupEntry): Buffer {
  const path = join(setFolder(state, set.id), String(set.files.indexOf(entry)));
  const found = readRegular(path);
  if (found.kind === 'file' && digestOf(found.bytes) === entry.was?.digest) return found.bytes;
  throw new Failure({
    code: 'backup-damaged',
    exit: Exit.unknown,
    message: `${path}: the kept copy of ${entry.path} is damaged or missing`,
    remedy: 'Take another set: `comfyui-auth backups` lists them.',
    location: { path },
  });
}
