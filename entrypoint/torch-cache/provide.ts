import { activate, deactivate } from './activate.ts';
import { buildStore } from './build.ts';
import { constraintsFor } from './constraints.ts';
import { holdsInstalled } from './installed.ts';
import type { LockedPorts, TorchPorts } from './ports.ts';
import { inWords } from './progress.ts';
import { asPathRefusal } from './refusals.ts';
import { inspectStore, type Store, storeAt, storeKey } from './store.ts';

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
    deactivate(given.facts);
    return { tier: 'none', env: {} };
  }
  const ports: LockedPorts = { ...given, lock };
  const start = clock.monotonicMs();
  const tier = (await holdsInstalled(ports)) ? 'T0' : await fromStore(ports);
  const ms = Math.round(clock.monotonicMs() - start);
  const version = lock.packages.find(({ name }) => name === 'torch')?.version ?? '';
  log.info('torch-ready', `PyTorch ${version} ${WORDS[tier]} (${tier}, ${ms} ms)`, { tier, version, ms });
  return { tier, env: constraintsFor(ports) };
}

async function fromStore(ports: LockedPorts): Promise<Exclude<Tier, 'none' | 'T0'>> {
  const store = storeAt(ports.settings.cacheDir, storeKey(ports.lock, ports.facts));
  const tier = await ensureStore(ports, store);
  activate(ports.facts, store.packages);
  return tier;
}

/** Sees that the store is there and whole; builds it where it is not. Throws a `Refusal`. */
export async function ensureStore(ports: LockedPorts, store: Store): Promise<'T1' | 'T2' | 'T3'> {
  const { clock, log } = ports;
  if (look(store).kind === 'complete') return 'T1';
  const start = clock.monotonicMs();
  const tier = await buildStore(ports, store);
  const state = look(store);
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

function look(store: Store) {
  try {
    return inspectStore(store);
  } catch (error) {
    throw asPathRefusal(error, 'torch-cache-unreadable', store.path, 'TORCH_CACHE');
  }
}
