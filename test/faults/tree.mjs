// The trees that the lab breaks, what stands in them, and whether that may stand there.
import { createHash } from 'node:crypto';
import {
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';

const STATE = '.comfyui-auth';
const BESIDE = /^\..+\.[0-9a-f]{16}\.(new|old)$/;

/** Writes a file with its folders; another owner where we may. */
export function plant(root, path, { content, mode = 0o600, uid }) {
  const full = join(root, path);
  mkdirSync(dirname(full), { recursive: true });
  writeFileSync(full, content, { mode });
  if (uid !== undefined && process.geteuid() === 0) chownSync(full, uid, uid);
}

function* entries(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    yield path;
    if (entry.isDirectory()) yield* entries(path);
  }
}

/** One line for a file or a folder: type, mode, owner, number of names, digest. */
function line(path, name) {
  const stats = lstatSync(path);
  const facts = `${name} ${(stats.mode & 0o7777).toString(8)} ${stats.uid}:${stats.gid}`;
  if (!stats.isFile()) return `${facts} folder`;
  return `${facts} ${stats.nlink} ${createHash('sha256').update(readFileSync(path)).digest('hex')}`;
}

/**
 * What stands outside the state folder: `all` of it; `files`, which is what an exit code speaks of, without folders
 * and second names; and the names of what a transaction put `beside` its files.
 */
export function snapshot(root) {
  const real = [];
  const beside = [];
  for (const path of entries(root)) {
    const name = relative(root, path);
    if (name === STATE || name.startsWith(`${STATE}/`)) continue;
    if (BESIDE.test(basename(name))) beside.push(name);
    else real.push(line(path, name));
  }
  const files = real.filter((entry) => !entry.endsWith(' folder'));
  const oneName = files.map((entry) => entry.replace(/ 2 ([0-9a-f]{64})$/, ' 1 $1'));
  return { all: real.sort().join('\n'), files: oneName.sort().join('\n'), beside };
}

function isWholeSet(folder) {
  const { files } = JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8'));
  return files.every(({ was }, index) => {
    if (was === null) return true;
    const bytes = readFileSync(join(folder, String(index)));
    return createHash('sha256').update(bytes).digest('hex') === was.digest;
  });
}

/** The names of the backup sets; one that is not whole counts as a fault. */
function backupSets(root, faults) {
  const folder = join(root, STATE, 'backups');
  if (!existsSync(folder)) return [];
  const ids = readdirSync(folder);
  for (const id of ids) {
    let whole = false;
    try {
      whole = isWholeSet(join(folder, id));
    } catch {}
    if (!whole) faults.push(`backup ${id} is not whole`);
  }
  return ids;
}

/** What must not be there once a command has recovered. Gives faults in words. */
export function leftovers(root, { sets }) {
  const faults = snapshot(root).beside.map((name) => `left over: ${name}`);
  for (const name of existsSync(join(root, STATE)) ? readdirSync(join(root, STATE)) : []) {
    if (/^journal/.test(name)) faults.push(`left over: ${STATE}/${name}`);
  }
  const found = backupSets(root, faults);
  if (sets !== undefined && found.length !== sets) faults.push(`${found.length} backup sets, not ${sets}`);
  return faults;
}
