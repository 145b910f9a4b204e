import { activate, deactivate } from './activate.ts';
import { buildStore } from './build.ts';
import { constraintsFor } from './constraints.ts';
import { holdStore, releaseStore } from './in-use.ts';
import { holdsInstalled } from './installed.ts';
import type { LockedPorts, TorchPorts } from './ports.ts';
import { inWords } from './progress.ts';
import { whileReading } from './refusals.ts';
import { inspectStore, noteUse, type Store, storeAt, storeKey } from './store.ts';

/** How PyTorch came to be there (container.md §5); `none`: there is no lock. */
export type Tier = 'none' | 'T0' | 'T1' | 'T2' | 'T3';

export interface ProvidedTorch {
  tier: Tier;
  /** To add to the child's environment. */
  env: Record<string, string>;
}

const WORDS = {
  T0: 'is installed',
  T1: 'comes from the cache',
  T2: 'was built from the wheelhouse',
  T3: 'was fetched and built',
} as const;

/**
 * Sees that ComfyUI's Python imports PyTorch as locked, by the first tier that holds. On T0 and T1 it opens no socket,
 * and changes no file that is right. Throws a `Refusal`; rejects with the signal's reason where it is aborted.
 */
export async function provideTorch(given: TorchPorts): Promise<ProvidedTorch> {
  const { lock, clock, log } = given;
  if (lock === undefined) {
    deactivate(given);
    return { tier: 'none', env: {} };
  }
  const ports: LockedPorts = { ...given, lock };
  // ComfyUI of the start before has ended.
  releaseStore();
  const start = clock.monotonicMs();
  const tier = (await holdsInstalled(ports)) ? 'T0' : await fromStore(ports);
  const ms = Math.round(clock.monotonicMs() - start);
  const version = lock.packages.find(({ name }) => name === 'torch')?.version ?? '';
  log.info('torch-ready', `PyTorch ${version} ${WORDS[tier]} (${tier}, ${ms} ms)`, { tier, version, ms });
  return { tier, env: constraintsFor(ports) };
}

async function fromStore(ports: LockedPorts): Promise<Exclude<Tier, 'none' | 'T0'>> {
  const store = storeAt(ports.settings.cacheDir, storeKey(ports.lock, ports.facts));
  // Before it is looked at, and anew where it was built: nobody removes what was found to be good.
  holdStore(store.path);
  const tier = await ensureStore(ports, store);
  holdStore(store.path);
  noteUse(store, ports.clock.now(), ports.context.user);
  activate(ports, store.packages);
  return tier;
}

/** Sees that the store is there and whole; builds it where it is not. Throws a `Refusal`. */
export async function ensureStore(ports: LockedPorts, store: Store): Promise<'T1' | 'T2' | 'T3'> {
  const { clock, log } = ports;
  const look = () => whileReading(store.path, ports.owner, () => inspectStore(store));
  if (look().kind === 'complete') return 'T1';
  // What is damaged is not in use by us.
  releaseStore();
  const start = clock.monotonicMs();
  const tier = await buildStore(ports, store);
  const state = look();
  if (tier !== 'T1' && state.kind === 'complete') {
    const { files, bytes, packages } = state.stamp;
    const seconds = Math.round((clock.monotonicMs() - start) / 1000);
    log.info('torch-built', `${packages.length} packages, ${files} files, ${inWords(bytes)}, ${seconds} s`, {
      tier,
      packages: packages.length,
      files,
      bytes,
      seconds,
    });
  }
  return tier;
}
