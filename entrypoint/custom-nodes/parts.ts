import { lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type ReadResult, readRegular } from '../../src/store/read-file.ts';
import { unreadable } from '../../src/store/replace.ts';
import { attempt } from '../../src/store/system-call.ts';

/** A folder or a file of a node, by its path in it. */
export interface Part {
  path: string;
  /** Absent where it is a folder. */
  bytes?: Buffer;
}

/** All of a copy that belongs to the node, each folder before what is in it. Throws a `Failure`. */
export function partsOf(copy: string, leftOut: RegExp, below = ''): Part[] {
  const folder = join(copy, below);
  const entries = attempt('list it', folder, () => readdirSync(folder, { withFileTypes: true }));
  return entries
    .filter(({ name }) => !leftOut.test(name))
    .flatMap((entry): Part[] => {
      const path = join(below, entry.name);
      if (entry.isDirectory()) return [{ path }, ...partsOf(copy, leftOut, path)];
      return entry.isFile() ? [{ path, bytes: read(join(copy, path)) }] : [];
    });
}

function read(path: string): Buffer {
  const found = readRegular(path);
  if (found.kind === 'file') return found.bytes;
  throw unreadable(path, found.kind === 'unreadable' ? found.code : found.kind);
}

/**
 * In what a folder is not these parts and no more, in a few words; undefined where it is just that. A link is no part
 * of any copy. Never throws.
 */
export function differenceFrom(parts: readonly Part[], folder: string, leftOut: RegExp): string | undefined {
  for (const part of [{ path: '' }, ...parts]) {
    const fault = faultOf(part, join(folder, part.path));
    if (fault !== undefined) return `${part.path === '' ? folder : part.path} ${fault}`;
  }
  const known = new Set(parts.map(({ path }) => path));
  for (const below of ['', ...parts.filter(({ bytes }) => bytes === undefined).map(({ path }) => path)]) {
    const names = namesIn(join(folder, below));
    if (names === undefined) return `${join(folder, below)} cannot be read`;
    const more = names.filter((name) => !leftOut.test(name)).map((name) => join(below, name));
    const added = more.find((path) => !known.has(path));
    if (added !== undefined) return `${added} is added`;
  }
  return undefined;
}

function faultOf({ bytes }: Part, path: string): string | undefined {
  if (bytes === undefined) return isFolder(path) ? undefined : 'is no folder';
  const found = readRegular(path, { maxBytes: bytes.length });
  if (found.kind !== 'file') return wordsFor(found);
  return found.bytes.equals(bytes) ? undefined : 'differs';
}

function wordsFor(found: Exclude<ReadResult, { kind: 'file' }>): string {
  if (found.kind === 'missing') return 'is missing';
  if (found.kind === 'not-a-file') return `is ${found.what}`;
  return found.code === 'EFBIG' ? 'differs' : `cannot be read (${found.code})`;
}

function isFolder(path: string): boolean {
  try {
    return lstatSync(path).isDirectory();
  } catch {
    return false;
  }
}

function namesIn(folder: string): string[] | undefined {
  try {
    return readdirSync(folder);
  } catch {
    return undefined;
  }
}
