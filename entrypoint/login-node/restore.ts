import { readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Owner } from '../../src/model/layout.ts';
import { makeFolder, syncFolder } from '../../src/store/folder.ts';
import { readRegular } from '../../src/store/read-file.ts';
import { randomName, readBack, unreadable } from '../../src/store/replace.ts';
import { attempt, exists } from '../../src/store/system-call.ts';
import { ignoring, writeNew } from '../../src/store/write-new.ts';
import { asUser } from './as-user.ts';
import { isLoginNode } from './survey.ts';

/** The name under which the login node is restored: that of its repository. */
export const NODE_NAME = 'ComfyUI-Login';

// Whatever ends in .disabled is not loaded: a copy that is half made must never be.
const LEFTOVER = /^\.ComfyUI-Login\.[0-9a-f]{16}\.new\.disabled$/;
const leftoverName = () => `.${NODE_NAME}.${randomName()}.new.disabled`;

/** No part of the node: other programs' by-products, and the key of one server's sessions. */
const LEFT_OUT = /^(?:\.git|__pycache__|\.secret-key\.txt|.*\.pyc)$/;
const FOLDER_MODE = 0o755;
const FILE_MODE = 0o644;

/** Whether a name is that of a copy in the making. */
export const isLeftover = (name: string): boolean => LEFTOVER.test(name);

/** Removes the copies that a start which was killed has left half made. What cannot be removed does no harm. */
export function removeLeftovers(folder: string, owner: Owner): void {
  ignoring(() =>
    asUser(owner, folder, () => {
      for (const name of readdirSync(folder).filter(isLeftover)) {
        rmSync(join(folder, name), { recursive: true, force: true });
      }
    }),
  );
}

export interface Restored {
  path: string;
  /** Where the folder went that stood in its place. */
  aside?: string;
}

/**
 * Puts a copy of the login node into a folder of custom nodes, in one step and durably, as ComfyUI's user, who may
 * own that folder, or have named it: plain files, no link, no bytecode. What stands in its place is set aside under
 * a name that ComfyUI does not load. Gives undefined where another start has put a login node there in the meantime. Throws a `Failure`; then
 * nothing was changed, or what stood there is aside.
 */
export function restoreLoginNode(copy: string, folder: string, owner: Owner): Restored | undefined {
  const parts = partsOf(copy);
  return asUser(owner, folder, () => place(parts, folder, owner));
}

function place(parts: readonly Part[], folder: string, owner: Owner): Restored | undefined {
  if (!exists(folder)) makeFolder(folder, { owner, mode: FOLDER_MODE });
  const made = join(folder, leftoverName());
  try {
    writeParts(parts, made, owner);
    const path = join(folder, NODE_NAME);
    if (isLoginNode(path)) return undefined;
    const aside = setAside(path);
    attempt('put the login node there', path, () => renameSync(made, path));
    syncFolder(folder);
    return { path, ...(aside !== undefined && { aside }) };
  } finally {
    // Still there only where it did not reach its place.
    ignoring(() => rmSync(made, { recursive: true, force: true }));
  }
}

/** A folder or a file of the login node, by its path in it. */
interface Part {
  path: string;
  /** Absent where it is a folder. */
  bytes?: Buffer;
}

/** All of a copy that belongs to the node, each folder before what is in it. Read as ourselves: it may be root's alone. */
function partsOf(copy: string, below = ''): Part[] {
  const folder = join(copy, below);
  const entries = attempt('list it', folder, () => readdirSync(folder, { withFileTypes: true }));
  return entries
    .filter(({ name }) => !LEFT_OUT.test(name))
    .flatMap((entry): Part[] => {
      const path = join(below, entry.name);
      if (entry.isDirectory()) return [{ path }, ...partsOf(copy, path)];
      return entry.isFile() ? [{ path, bytes: read(join(copy, path)) }] : [];
    });
}

function read(path: string): Buffer {
  const found = readRegular(path);
  if (found.kind === 'file') return found.bytes;
  throw unreadable(path, found.kind === 'unreadable' ? found.code : found.kind);
}

function writeParts(parts: readonly Part[], to: string, owner: Owner): void {
  makeFolder(to, { owner, mode: FOLDER_MODE });
  for (const { path, bytes } of parts) {
    const target = join(to, path);
    if (bytes === undefined) makeFolder(target, { owner, mode: FOLDER_MODE });
    else {
      writeNew(target, bytes, FILE_MODE, owner);
      readBack(target, bytes);
    }
  }
  const folders = parts.filter(({ bytes }) => bytes === undefined).map(({ path }) => join(to, path));
  for (const folder of [...folders, to]) syncFolder(folder);
}

function setAside(path: string): string | undefined {
  if (!exists(path)) return undefined;
  const aside = `${path}.${randomName()}.disabled`;
  attempt('set it aside', path, () => renameSync(path, aside));
  return aside;
}
