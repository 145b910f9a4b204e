import { lstatSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Owner } from '../../src/model/layout.ts';
import { makeFolder, syncFolder } from '../../src/store/folder.ts';
import { randomName, readBack } from '../../src/store/replace.ts';
import { attempt, exists } from '../../src/store/system-call.ts';
import { ignoring, writeNew } from '../../src/store/write-new.ts';
import { asUser } from './as-user.ts';
import type { Part } from './parts.ts';

const FOLDER_MODE = 0o755;
const FILE_MODE = 0o644;

/** What is put among the custom nodes. */
export interface PlacedNode {
  /** The name of its folder there. */
  name: string;
  parts: readonly Part[];
  /** Whether a folder that stands in its place is one already. */
  isThere(path: string): boolean;
}

// Whatever ends in .disabled is not loaded: a copy that is half made must never be.
const leftoverName = (name: string) => `.${name}.${randomName()}.new.disabled`;
const isLeftover = (name: string, entry: string) =>
  entry.startsWith(`.${name}.`) && /^[0-9a-f]{16}\.new\.disabled$/.test(entry.slice(name.length + 2));

/** Removes the copies of a node that a start which was killed has left half made. What cannot be removed does no harm. */
export function removeLeftovers(name: string, folder: string, owner: Owner): void {
  ignoring(() =>
    asUser(owner, folder, () => {
      for (const entry of readdirSync(folder).filter((one) => isLeftover(name, one))) {
        rmSync(join(folder, entry), { recursive: true, force: true });
      }
    }),
  );
}

export interface Placed {
  path: string;
  /** Where the folder went that stood in its place. */
  aside?: string;
}

/**
 * Puts a node into a folder of custom nodes, in one step and durably, as ComfyUI's user, who may own that folder, or
 * have named it: plain files, no link. What stands in its place is set aside under a name that ComfyUI does not load.
 * Gives undefined where another start has put one there in the meantime. Throws a `Failure`; then nothing was changed,
 * or what stood there is aside.
 */
export function placeNode(node: PlacedNode, folder: string, owner: Owner): Placed | undefined {
  return asUser(owner, folder, () => place(node, folder, owner));
}

function place({ name, parts, isThere }: PlacedNode, folder: string, owner: Owner): Placed | undefined {
  if (!exists(folder)) makeFolder(folder, { owner, mode: FOLDER_MODE });
  const made = join(folder, leftoverName(name));
  try {
    writeParts(parts, made, owner);
    const path = join(folder, name);
    if (isThere(path)) return undefined;
    checkThere(parts, made);
    const aside = setAside(path);
    attempt('put it there', path, () => renameSync(made, path));
    syncFolder(folder);
    return { path, ...(aside !== undefined && { aside }) };
  } finally {
    // Still there only where it did not reach its place.
    ignoring(() => rmSync(made, { recursive: true, force: true }));
  }
}

function writeParts(parts: readonly Part[], to: string, owner: Owner): void {
  makeFolder(to, { owner, mode: FOLDER_MODE });
  for (const { path, bytes } of parts) {
    const target = join(to, path);
    if (bytes === undefined) makeFolder(target, { owner, mode: FOLDER_MODE });
    else {
      writeNew(target, bytes, FILE_MODE, owner);
      readBackOrGone(target, bytes);
    }
  }
  const folders = parts.filter(({ bytes }) => bytes === undefined).map(({ path }) => join(to, path));
  for (const folder of [...folders, to]) syncFolder(folder);
}

/** What another start has removed, as a leftover, is gone (ENOENT): that says nothing of the disk. */
function readBackOrGone(path: string, bytes: Buffer): void {
  try {
    readBack(path, bytes);
  } catch (failure) {
    checkThere([{ path: '' }], path);
    throw failure;
  }
}

function checkThere(parts: readonly Part[], folder: string): void {
  for (const { path } of parts) {
    const part = join(folder, path);
    attempt('find it again', part, () => lstatSync(part));
  }
}

function setAside(path: string): string | undefined {
  if (!exists(path)) return undefined;
  const aside = `${path}.${randomName()}.disabled`;
  attempt('set it aside', path, () => renameSync(path, aside));
  return aside;
}
