import { renameSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { randomName } from '../../src/store/replace.ts';
import type { PythonContext } from '../python.ts';
import { activePackages } from './activate.ts';
import { asUser } from './as-user.ts';
import { ifUnused } from './in-use.ts';
import type { TorchPorts } from './ports.ts';
import { ASIDE_PREFIX, allStores, lastUse, leftovers, type Store } from './store.ts';

/** So many finished stores are kept: the one in use, and the one before it. */
const KEPT = 2;

/** How often a removal is tried: an installer that outlived its parent may still write there. */
const TRIES = 3;

/** Gives a store another name in one step, so that nobody finds half of it. Whoever uses it finds no more files there. */
export function moveAside({ user }: PythonContext, store: Store): string {
  const path = join(dirname(store.path), `${ASIDE_PREFIX}${randomName()}`);
  asUser(user, () => renameSync(store.path, path));
  return path;
}

/** The same where no other container uses it; undefined where one does. */
export const setAside = (context: PythonContext, store: Store): string | undefined =>
  ifUnused(store.path, () => moveAside(context, store));

/** Removes a folder, as ComfyUI's user; what stays is swept later. Does not reject. */
export async function discard({ process, user }: PythonContext, path: string): Promise<void> {
  const options = { cwd: '/', env: {}, ...(user !== undefined && { user }) };
  for (let tries = 0; tries < TRIES; tries++) {
    const { code } = await process.run('/bin/rm', ['-rf', '--', path], options);
    if (code === 0) return;
  }
}

/** Removes what builds that were cut off, and damaged stores, have left; not what is in use. Only under the lock. */
export async function sweep({ settings, context }: TorchPorts): Promise<number> {
  const paths = leftovers(settings.cacheDir).filter((path) => ifUnused(path, () => true));
  for (const path of paths) await discard(context, path);
  return paths.length;
}

/**
 * Removes old stores, and those that were never finished; keeps the two that were used last, the one of `key`, the one
 * that Python sees, and those that other containers use. Only under the lock. Gives how many have gone.
 */
export async function collectGarbage(
  { settings, facts, context }: TorchPorts,
  key: string | undefined,
): Promise<number> {
  const stores = allStores(settings.cacheDir).map((store) => ({ store, usedMs: lastUse(store) }));
  const finished = stores.filter(({ usedMs }) => usedMs !== undefined);
  finished.sort((a, b) => (b.usedMs ?? 0) - (a.usedMs ?? 0));
  const newest = new Set(finished.slice(0, KEPT).map(({ store }) => store.key));
  const active = activePackages(facts);
  const old = stores.filter(
    ({ store, usedMs }) =>
      !newest.has(store.key) && !(usedMs !== undefined && (store.key === key || store.packages === active)),
  );
  const gone = old.flatMap(({ store }) => setAside(context, store) ?? []);
  for (const path of gone) await discard(context, path);
  return gone.length;
}
