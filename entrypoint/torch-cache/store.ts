import { createHash } from 'node:crypto';
import { closeSync, constants, fstatSync, futimesSync, lstatSync, openSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Owner } from '../../src/model/layout.ts';
import { digestOf, readRegular } from '../../src/store/read-file.ts';
import { replaceFile } from '../../src/store/replace.ts';
import { unless } from '../../src/store/system-call.ts';
import { ignoring } from '../../src/store/write-new.ts';
import type { PythonFacts } from '../python.ts';
import { asUser } from './as-user.ts';
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

/** A file of a store: its bytes, undefined where there is none, `fault` where it is no file. Throws the system's error. */
function readPart(path: string): { bytes?: Buffer; fault?: string } {
  const found = readRegular(path);
  if (found.kind === 'file') return { bytes: found.bytes };
  if (found.kind === 'not-a-file') return { fault: `is ${found.what}` };
  if (found.kind === 'missing' || found.code === 'ENOTDIR') return {};
  throw Object.assign(new Error(found.code), { code: found.code, path });
}

function parseStamp(bytes: Buffer | undefined): Stamp | undefined {
  try {
    const stamp = JSON.parse(bytes?.toString('utf8') ?? '') as Partial<Stamp> | null;
    return stamp?.format === FORMAT && typeof stamp.manifest === 'string' ? (stamp as Stamp) : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Whether a store may be used: stamped, its manifest the one that was stamped, and each file there with its size.
 * Reads no file but these two, and opens no socket. Throws the system's error where they cannot be read.
 */
export function inspectStore(store: Store): StoreState {
  const { bytes, fault } = readPart(store.stamp);
  if (fault !== undefined) return { kind: 'damaged', why: `its stamp ${fault}` };
  const stamp = parseStamp(bytes);
  if (stamp === undefined) return { kind: 'absent' };
  const manifest = readPart(store.manifest);
  if (manifest.bytes === undefined) {
    return { kind: 'damaged', why: `its manifest ${manifest.fault ?? 'is gone'}` };
  }
  if (digestOf(manifest.bytes) !== stamp.manifest) {
    return { kind: 'damaged', why: 'its manifest was changed' };
  }
  const why = faultOfManifest(store.packages, manifest.bytes.toString('utf8'));
  return why === undefined ? { kind: 'complete', stamp } : { kind: 'damaged', why };
}

/** Whether a store without a stamp lacks nothing else: its manifest was on the disk before it came to its place. */
export function isWhole(store: Store): boolean {
  const { bytes } = readPart(store.manifest);
  return bytes !== undefined && faultOfManifest(store.packages, bytes.toString('utf8')) === undefined;
}

/** Stamps a store: from here on it is used. */
export function stampStore(
  store: Store,
  facts: Omit<Stamp, 'format' | 'manifest' | 'files' | 'bytes'>,
): void {
  const { bytes: manifest = Buffer.of() } = readPart(store.manifest);
  const stamp: Stamp = {
    format: FORMAT,
    manifest: digestOf(manifest),
    ...sumOfManifest(manifest.toString('utf8')),
    ...facts,
  };
  replaceFile(store.stamp, Buffer.from(`${JSON.stringify(stamp, null, 2)}\n`), { mode: 0o644 });
}

/** A use is noted this often: a start that finds all as it is changes nothing. */
const USE_MS = 3_600_000;

/** Notes that a store is used now, by the time of its stamp; nothing where that may not be changed. */
export function noteUse(store: Store, now: Date, user: Owner | undefined): void {
  asUser(user, () =>
    ignoring(() => {
      const fd = openSync(store.stamp, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
      try {
        if (now.getTime() - fstatSync(fd).mtimeMs > USE_MS) futimesSync(fd, now, now);
      } finally {
        closeSync(fd);
      }
    }),
  );
}

/** When a store was built, or used later than that; undefined where its build was never finished. */
export const lastUse = (store: Store): number | undefined =>
  unless(['ENOENT', 'ENOTDIR', 'EACCES'], () => lstatSync(store.stamp))?.mtimeMs;
