import { createHash } from 'node:crypto';
import { type Dirent, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { readRegular } from '../../src/store/read-file.ts';
import { errnoOf } from '../../src/store/system-call.ts';

/** SHA-256 (hex) of each file of code, by its path in the node's folder, with `/`. */
export type CodeFiles = ReadonlyMap<string, string>;

/** What Python would run: extension modules go before a .py of the same name, and a lone .pyc stands in for one. */
const CODE = /\.(?:py|pyc|so)$/;
/** Python's own by-products and the repository: neither is in the copy. */
const LEFT_OUT = ['__pycache__', '.git'];
const MAX_FILE_BYTES = 4 * 1024 * 1024;
/** ComfyUI-Login has four; a folder with more than this many entries is something else. */
const MAX_ENTRIES = 2000;

const sha256 = (bytes: Buffer | string) => createHash('sha256').update(bytes).digest('hex');

/**
 * The one digest of a login node's code: SHA-256 over the lines `<sha256>  <path>` of its files of code, sorted
 * by path, as `sha256sum` prints them (so a shell can make it: docs/login-node.md).
 */
export const digestOf = (folder: string): string => digestOfFiles(codeFilesOf(folder));

/** The digest of files that are known by their own digests. */
export function digestOfFiles(files: CodeFiles): string {
  const sums = [...files].sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  return sha256(sums.map(([path, sum]) => `${sumLine(path, sum)}\n`).join(''));
}

/** As coreutils: a name with a line feed cannot pass for two lines. */
function sumLine(path: string, sum: string): string {
  const escaped = path.replace(/[\\\n\r]/g, (letter) => ESCAPES[letter] ?? letter);
  return `${escaped === path ? '' : '\\'}${sum}  ${escaped}`;
}
const ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '\n': '\\n', '\r': '\\r' };

/** Whether a file is code, by its name. */
export const isCode = (path: string): boolean => CODE.test(path);

/**
 * The files of code in a login node's folder. What cannot be read, or is a link to a folder, stands in the list
 * under a digest that nothing else has: such a folder is like no other. Never throws.
 */
export function codeFilesOf(folder: string): CodeFiles {
  const files = new Map<string, string>();
  const open = [''];
  let left = MAX_ENTRIES;
  for (let below = open.pop(); below !== undefined; below = open.pop()) {
    for (const entry of entries(folder, below, files)) {
      if (LEFT_OUT.includes(entry.name)) continue;
      const path = `${below}${entry.name}`;
      left--;
      if (left < 0) return files.set('…', `more than ${MAX_ENTRIES} entries`);
      if (entry.isDirectory()) open.push(`${path}/`);
      else if (entry.isSymbolicLink() && isFolder(join(folder, path))) files.set(path, 'a link to a folder');
      else if (isCode(path)) files.set(path, sumOf(join(folder, path)));
    }
  }
  return files;
}

function entries(folder: string, below: string, files: Map<string, string>): Dirent[] {
  try {
    return readdirSync(join(folder, below), { withFileTypes: true });
  } catch (error) {
    files.set(below, `unreadable ${errnoOf(error)}`);
    return [];
  }
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}

function sumOf(path: string): string {
  const found = readRegular(path, { follow: true, maxBytes: MAX_FILE_BYTES });
  if (found.kind === 'file') return found.identity.digest;
  return `${found.kind} ${found.kind === 'unreadable' ? found.code : ''}`;
}
