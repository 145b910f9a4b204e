import { renameSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { randomName } from '../../src/store/replace.ts';
import { activePackages } from './activate.ts';
import type { TorchPorts } from './ports.ts';
import { ASIDE_PREFIX, allStores, leftovers, readStamp, type Store } from './store.ts';

/** So many finished stores are kept: the one in use, and the one before it. */
const KEPT = 2;

/** Gives a store another name in one step, so that nobody finds half of it. */
export function setAside(store: Store): string {
  const path = join(dirname(store.path), `${ASIDE_PREFIX}${randomName()}`);
  renameSync(store.path, path);
  return path;
}

/** Removes a folder; an installer that outlived its parent may still write there, so what stays is swept later. */
export const discard = (path: string): Promise<void> =>
  rm(path, { recursive: true, force: true, maxRetries: 3 }).catch(() => undefined);

/** Removes what builds that were cut off, and damaged stores, have left. Only under the lock. */
export async function sweep(cacheDir: string): Promise<number> {
  const paths = leftovers(cacheDir);
  for (const path of paths) await discard(path);
  return paths.length;
}

/**
 * Removes old stores, and those that were never finished; keeps the two newest, the one of `key`, and the one that
 * Python sees. Only under the lock. Gives how many have gone.
 */
export async function collectGarbage(
  { settings, facts }: TorchPorts,
  key: string | undefined,
): Promise<number> {
  const stores = allStores(settings.cacheDir).map((store) => ({ store, stamp: readStamp(store) }));
  const finished = stores.filter(({ stamp }) => stamp !== undefined);
  finished.sort((a, b) => ((a.stamp?.builtAt ?? '') < (b.stamp?.builtAt ?? '') ? 1 : -1));
  const newest = new Set(finished.slice(0, KEPT).map(({ store }) => store.key));
  const active = activePackages(facts);
  const old = stores.filter(
    ({ store, stamp }) =>
      !newest.has(store.key) && !(stamp !== undefined && (store.key === key || store.packages === active)),
  );
  for (const { store } of old) await discard(setAside(store));
  return old.length;
}
