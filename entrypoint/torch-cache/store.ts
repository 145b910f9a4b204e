import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { digestOf } from '../../src/store/read-file.ts';
import { replaceFile } from '../../src/store/replace.ts';
import { errnoOf, unless } from '../../src/store/system-call.ts';
import type { PythonFacts } from '../python.ts';
import type { TorchLock } from './lock-file.ts';
import { faultOfManifest, sumOfManifest } from './manifest.ts';

/** Changes with the layout of a store; a store of another format has another key. */
const FORMAT = 1;

const KEY = /^[0-9a-f]{64}$/;

/** Names below the cache that no store bears: an unfinished build, and what was set aside. */
export const STAGING_PREFIX = '.staging-';
export const ASIDE_PREFIX = '.aside-';

/** Where the parts of one store stand. */
export interface Store {
  key: string;
  path: string;
  /** What Python gets to see. */
  packages: string;
  manifest: string;
  /** Written last: a store without it is never used. */
  stamp: string;
}

/** What is remembered of a finished build. */
export interface Stamp {
  format: number;
  /** SHA-256 of the manifest. The import test was passed with these files. */
  manifest: string;
  files: number;
  bytes: number;
  builtAt: string;
  backend: string;
  python: string;
  /** `name==version`. */
  packages: string[];
}

/** What decides whether a store fits: the lock, and what its wheels depend on (container.md §5). */
export function storeKey(lock: TorchLock, { tag, machine, libc }: PythonFacts): string {
  const packages = lock.packages.map(({ name, version, hashes }) => [name, version, ...hashes]);
  const parts = [FORMAT, tag, machine, libc, lock.backend, packages];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}

/** The store of a key; it need not exist. */
export function storeAt(cacheDir: string, key: string): Store {
  const path = join(cacheDir, key);
  return { key, path, ...partsOf(path) };
}

/** The parts of a store that stands, or is being built, at a path. */
export const partsOf = (path: string) => ({
  packages: join(path, 'packages'),
  manifest: join(path, 'manifest'),
  stamp: join(path, '.complete'),
});

/** All stores of a cache, finished or not; none where there is no cache. */
export function allStores(cacheDir: string): Store[] {
  const names = unless(['ENOENT', 'EACCES', 'ENOTDIR'], () => readdirSync(cacheDir)) ?? [];
  return names.filter((name) => KEY.test(name)).map((key) => storeAt(cacheDir, key));
}

/** What a build that was cut off, or a damaged store, has left. */
export function leftovers(cacheDir: string): string[] {
  const names = unless(['ENOENT'], () => readdirSync(cacheDir)) ?? [];
  return names
    .filter((name) => name.startsWith(STAGING_PREFIX) || name.startsWith(ASIDE_PREFIX))
    .map((name) => join(cacheDir, name));
}

export type StoreState =
  | { kind: 'absent' }
  | { kind: 'damaged'; why: string }
  | { kind: 'complete'; stamp: Stamp };

/** The stamp of a store; undefined where there is none that can be read. */
export function readStamp(store: Store): Stamp | undefined {
  try {
    const stamp = JSON.parse(readFileSync(store.stamp, 'utf8')) as Partial<Stamp>;
    return stamp.format === FORMAT && typeof stamp.manifest === 'string' ? (stamp as Stamp) : undefined;
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(errnoOf(error)) || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/**
 * Whether a store may be used: stamped, its manifest the one that was stamped, and each file there with its size.
 * Reads no file but these two, and opens no socket. Throws where they cannot be read.
 */
export function inspectStore(store: Store): StoreState {
  const stamp = readStamp(store);
  if (stamp === undefined) return { kind: 'absent' };
  const manifest = unless(['ENOENT'], () => readFileSync(store.manifest));
  if (manifest === undefined) return { kind: 'damaged', why: 'its manifest is gone' };
  if (digestOf(manifest) !== stamp.manifest) return { kind: 'damaged', why: 'its manifest was changed' };
  const why = faultOfManifest(store.packages, manifest.toString('utf8'));
  return why === undefined ? { kind: 'complete', stamp } : { kind: 'damaged', why };
}

/** Whether a store without a stamp lacks nothing else: its manifest was on the disk before it came to its place. */
export function isWhole(store: Store): boolean {
  const manifest = unless(['ENOENT', 'ENOTDIR'], () => readFileSync(store.manifest, 'utf8'));
  return manifest !== undefined && faultOfManifest(store.packages, manifest) === undefined;
}

/** Stamps a store: from here on it is used. */
export function stampStore(
  store: Store,
  facts: Omit<Stamp, 'format' | 'manifest' | 'files' | 'bytes'>,
): void {
  const manifest = readFileSync(store.manifest);
  const stamp: Stamp = {
    format: FORMAT,
    manifest: digestOf(manifest),
    ...sumOfManifest(manifest.toString('utf8')),
    ...facts,
  };
  replaceFile(store.stamp, Buffer.from(`${JSON.stringify(stamp, null, 2)}\n`), { mode: 0o644 });
}
