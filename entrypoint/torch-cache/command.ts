import { parseArgs } from 'node:util';
import { ContainerExit, Refusal } from '../exit.ts';
import { activePackages } from './activate.ts';
import { withCacheLock } from './cache-lock.ts';
import { collectGarbage, sweep } from './gc.ts';
import { isInstalled } from './installed.ts';
import type { LockedPorts, TorchPorts } from './ports.ts';
import { inWords } from './progress.ts';
import { ensureStore } from './provide.ts';
import { whileReading } from './refusals.ts';
import { allStores, inspectStore, type Store, type StoreState, storeAt, storeKey } from './store.ts';

/** What the command needs besides: where its answer goes. */
export interface TorchCommandPorts extends TorchPorts {
  write(text: string): void;
}

/** What was asked for. */
export interface TorchCommand {
  name: 'build' | 'status' | 'gc';
  json: boolean;
}

export const TORCH_USAGE = 'usage: torch-cache build | status [--json] | gc\n';

/** Reads the words behind `torch-cache`; undefined for wrong usage. */
export function readTorchCommand(args: string[]): TorchCommand | undefined {
  try {
    const options = { json: { type: 'boolean', default: false } } as const;
    const { values, positionals } = parseArgs({ args, options, allowPositionals: true });
    const [word, ...more] = positionals;
    const name = (['build', 'status', 'gc'] as const).find((one) => one === word);
    if (name === undefined || more.length > 0 || (values.json && name !== 'status')) return undefined;
    return { name, json: values.json };
  } catch {
    return undefined;
  }
}

/**
 * Does it. Gives the exit code: 0 done; for `status` 1 where the next start has to build. Throws a `Refusal` as a start
 * would.
 */
export async function torchCacheCommand(
  { name, json }: TorchCommand,
  ports: TorchCommandPorts,
): Promise<number> {
  switch (name) {
    case 'build':
      return build(ports);
    case 'status':
      return status(ports, json);
    case 'gc':
      return collect(ports);
  }
}

function locked(ports: TorchPorts): LockedPorts {
  const { lock } = ports;
  if (lock !== undefined) return { ...ports, lock };
  throw new Refusal({
    code: 'torch-lock-missing',
    message: 'there is no lock to build from',
    remedy: 'set TORCH_LOCK to the lock file',
  });
}

/** Fills the cache for a start to come; what Python sees now stays as it is. */
async function build(given: TorchPorts): Promise<number> {
  const ports = locked(given);
  const store = storeAt(ports.settings.cacheDir, storeKey(ports.lock, ports.facts));
  const tier = await ensureStore(ports, store);
  if (tier === 'T1') ports.log.info('torch-built', `${store.path} is there, and whole`, { tier });
  return ContainerExit.stopped;
}

async function collect(ports: TorchPorts): Promise<number> {
  const { settings, lock, facts, log } = ports;
  const key = lock === undefined ? undefined : storeKey(lock, facts);
  const removed = await withCacheLock(ports, settings.waitMs, async () => {
    const swept = await sweep(ports);
    return swept + (await collectGarbage(ports, key));
  });
  log.info('torch-gc', `removed ${removed} old or unfinished stores from ${settings.cacheDir}`, { removed });
  return ContainerExit.stopped;
}

function status(ports: TorchCommandPorts, json: boolean): number {
  const report = whileReading(ports.settings.cacheDir, ports.owner, () => readStatus(ports));
  ports.write(json ? `${JSON.stringify(report)}\n` : inLines(report));
  return report.tier === null ? 1 : 0;
}

type Status = ReturnType<typeof readStatus>;

/** What the next start would find; looks, and changes nothing. */
function readStatus(ports: TorchPorts) {
  const { settings, lock, facts } = ports;
  const active = activePackages(facts);
  const key = lock === undefined ? null : storeKey(lock, facts);
  const stores = allStores(settings.cacheDir).map((store) => {
    const state = stateOf(store);
    const stamp = state.kind === 'complete' ? state.stamp : undefined;
    return {
      key: store.key,
      state: state.kind === 'absent' ? ('unfinished' as const) : state.kind,
      active: store.packages === active,
      files: stamp?.files ?? 0,
      bytes: stamp?.bytes ?? 0,
      builtAt: stamp?.builtAt ?? null,
      packages: stamp?.packages ?? [],
    };
  });
  const whole = stores.some((store) => store.key === key && store.state === 'complete');
  const installed = lock !== undefined && isInstalled({ ...ports, lock });
  const tier =
    lock === undefined ? ('none' as const) : installed ? ('T0' as const) : whole ? ('T1' as const) : null;
  return {
    version: 1,
    tier,
    lock: lock?.path ?? null,
    backend: lock?.backend ?? null,
    key,
    cache: settings.cacheDir,
    wheelhouse: settings.wheelhouse ?? null,
    network: settings.network,
    stores,
  };
}

/** Looks at a store that need not be ours. */
function stateOf(store: Store): StoreState | { kind: 'unreadable' } {
  try {
    return inspectStore(store);
  } catch {
    return { kind: 'unreadable' };
  }
}

const TIER_WORDS = {
  none: 'there is no lock: nothing is provided',
  T0: 'installed as locked',
  T1: 'in the cache as locked',
} as const;

function inLines({ tier, lock, cache, wheelhouse, network, stores }: Status): string {
  const source = network ? 'the network' : 'nothing: TORCH_NETWORK is off';
  const lines = [
    `PyTorch: ${tier === null ? 'to be built at the next start' : TIER_WORDS[tier]}`,
    `lock: ${lock ?? 'none'}`,
    `cache: ${cache}`,
    `to build from: ${wheelhouse ?? source}`,
    ...stores.map(
      ({ key, state, active, files, bytes, builtAt }) =>
        `store ${key.slice(0, 12)}: ${state}, ${files} files, ${inWords(bytes)}, ${builtAt ?? (state === 'unfinished' ? 'never finished' : 'of an unknown time')}${active ? ', active' : ''}`,
    ),
  ];
  return `${lines.join('\n')}\n`;
}
