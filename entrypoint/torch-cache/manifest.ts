import { lstatSync } from 'node:fs';
import { chmod, lstat, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';

/** So many files are worked on at once; more would only queue in Node's own pool. */
const AT_ONCE = 8;

/**
 * Lists a folder of packages and makes it last: readable by everyone whatever our umask, each file and folder brought
 * to the disk. Gives its manifest: `size<TAB>path`, one line a file, sorted. Throws the system's error.
 */
export async function sealFolder(root: string, signal: AbortSignal): Promise<string> {
  const files: string[] = [];
  const folders = [''];
  for (const folder of folders) {
    for (const entry of await readdir(join(root, folder), { withFileTypes: true })) {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
      if (entry.isDirectory()) folders.push(path);
      else files.push(path);
    }
  }
  const sizes = new Map<string, number>();
  await each(files, signal, async (path) => {
    sizes.set(path, await sealOne(join(root, path), 0o444));
  });
  await each(folders, signal, (path) => sealOne(join(root, path), 0o555));
  const sorted = [...sizes].sort(([a], [b]) => (a < b ? -1 : 1));
  return sorted.map(([path, size]) => `${size}\t${path}\n`).join('');
}

/** Gives everyone these rights, and brings it to the disk; gives its size. */
async function sealOne(path: string, rights: number): Promise<number> {
  const { mode, size } = await lstat(path);
  if ((mode & rights) !== rights) await chmod(path, (mode & 0o777) | rights);
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
  return size;
}

async function each<T>(items: readonly T[], signal: AbortSignal, work: (item: T) => Promise<unknown>) {
  let next = 0;
  const worker = async () => {
    for (let item = items[next++]; item !== undefined; item = items[next++]) {
      signal.throwIfAborted();
      await work(item);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

/** What is wrong with the files of a manifest; undefined where each is there with its size. Some 10 µs a file. */
export function faultOfManifest(root: string, text: string): string | undefined {
  const lines = text.split('\n');
  if (lines.pop() !== '' || lines.length === 0) return 'its manifest is cut off';
  for (const line of lines) {
    const tab = line.indexOf('\t');
    const path = line.slice(tab + 1);
    const stats = lstatSync(`${root}/${path}`, { throwIfNoEntry: false });
    if (stats === undefined) return `${path} is missing`;
    if (!stats.isFile() || stats.size !== Number(line.slice(0, tab))) return `${path} has changed`;
  }
  return undefined;
}

/** How many files a manifest lists, and their sizes together. */
export function sumOfManifest(text: string): { files: number; bytes: number } {
  const sizes = text
    .trimEnd()
    .split('\n')
    .map((line) => Number.parseInt(line, 10));
  return { files: sizes.length, bytes: sizes.reduce((sum, size) => sum + size, 0) };
}
