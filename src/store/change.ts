import { accessSync, constants } from 'node:fs';
import { dirname } from 'node:path';
import { Exit, Failure } from '../model/failure.ts';
import type { Owner } from '../model/layout.ts';
import { missingFolders } from './folder.ts';
import { type FileIdentity, type RegularFile, readRegular, sameIdentity } from './read-file.ts';
import { replaceable, unreadable } from './replace.ts';
import { attempt, errnoOf } from './system-call.ts';
import { HAS_OWNERS, NEW_FILE_MODE } from './write-new.ts';

/** One file of a plan, as a command hands it in. */
export interface FileChange {
  /** Absolute. */
  path: string;
  content: Buffer;
  /** What was read when the plan was made; null: there was no file. */
  expected: FileIdentity | null;
  /** A new file gets 0600, an existing one keeps its mode, unless this is given. */
  mode?: number;
  /** A new file is the writer's, an existing one keeps its owner, unless this is given. */
  owner?: Owner;
  /** Parses the bytes back as their reader would; throws a Failure where they would not be understood. */
  validate?: (bytes: Buffer) => void;
}

/** A change that was checked against the file it is to replace. */
export interface CheckedChange {
  path: string;
  content: Buffer;
  old: RegularFile | null;
  mode: number;
  owner: Owner | undefined;
}

/** The Failure for a file that is no longer the one that the plan was made from. */
function changedUnderneath(path: string): Failure {
  return new Failure({
    code: 'changed-underneath',
    exit: Exit.unknown,
    message: `${path}: was changed by somebody else in the meantime; nothing was written`,
    remedy: 'Run the same command again: it reads the file anew.',
    location: { path },
  });
}

/** The Failure for a file that an attribute keeps from everybody, root included. */
export function attributeProtects(path: string): Failure {
  return new Failure({
    code: 'write-failed',
    exit: Exit.rolledBack,
    message: `${path}: cannot be changed, an attribute protects it (EPERM)`,
    remedy: `Look at \`lsattr ${path}\`; \`chattr -i\` or \`-a\` takes the attribute away.`,
    location: { path },
  });
}

/**
 * Gives the file that stands at a path, where it can be replaced, or undefined where a new one can be made. Only
 * looks, so that a plan can ask before anything is written. Throws a Failure: what `replaceable` throws; exit 5
 * `write-failed` where the folder, or the one that it would be made in, cannot be written to.
 */
export function requireReplaceable(path: string): RegularFile | undefined {
  const old = replaceable(path);
  const folder = dirname(missingFolders(path)[0] ?? path);
  attempt('write into it', folder, () => accessSync(folder, constants.W_OK | constants.X_OK));
  if (old === undefined) return undefined;
  try {
    accessSync(path, constants.W_OK);
  } catch (error) {
    // A file that is only read-only can be replaced all the same.
    if (errnoOf(error) === 'EPERM') throw attributeProtects(path);
  }
  return old;
}

/** Throws a Failure unless the file is still the one that was read. */
export function requireUnchanged(path: string, expected: FileIdentity | null): void {
  const found = readRegular(path);
  if (found.kind === 'unreadable') throw unreadable(path, found.code);
  const unchanged =
    expected === null
      ? found.kind === 'missing'
      : found.kind === 'file' && sameIdentity(found.identity, expected);
  if (!unchanged) throw changedUnderneath(path);
}

/**
 * Checks a change before anything is written: its content parses, its path can be replaced, its file is the one
 * that was read. Gives undefined where content, mode and owner are as they should be already: a change that
 * changes nothing is dropped here, so that a second run writes no byte, whatever was planned.
 */
export function checkChange(change: FileChange): CheckedChange | undefined {
  const { path, content, expected, validate } = change;
  validate?.(content);
  const old = requireReplaceable(path) ?? null;
  const same = old === null || expected === null ? old === expected : sameIdentity(old.identity, expected);
  if (!same) throw changedUnderneath(path);
  const mode = change.mode ?? old?.mode ?? NEW_FILE_MODE;
  const owner = change.owner ?? old?.owner;
  const unchanged =
    old?.bytes.equals(content) &&
    (!HAS_OWNERS || (old.mode === mode && old.owner.uid === owner?.uid && old.owner.gid === owner.gid));
  return unchanged ? undefined : { path, content, old, mode, owner };
}
