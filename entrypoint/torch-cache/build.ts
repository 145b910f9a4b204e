import { chmodSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { syncFolder } from '../../src/store/folder.ts';
import { randomName } from '../../src/store/replace.ts';
import { writeNew } from '../../src/store/write-new.ts';
import { Refusal } from '../exit.ts';
import { withCacheLock } from './cache-lock.ts';
import { pins } from './constraints.ts';
import { collectGarbage, discard, setAside, sweep } from './gc.ts';
import { faultOfImport } from './import-test.ts';
import { installFailure } from './install-failure.ts';
import {
  chooseInstaller,
  type Installer,
  installCommand,
  installerEnv,
  pythonPath,
  type Source,
} from './installer.ts';
import { sealFolder } from './manifest.ts';
import type { LockedPorts } from './ports.ts';
import { inWords, measure, whileTelling } from './progress.ts';
import { chooseSource } from './source.ts';
import { inspectStore, isWhole, partsOf, STAGING_PREFIX, type Store, stampStore } from './store.ts';

export type BuildTier = 'T1' | Source['tier'];

/**
 * Builds the store, as the only builder; gives T1 where it was built in the meantime. Whatever ends it, nothing
 * unfinished is ever used: the stamp comes last. Throws a `Refusal` with what stood in the way.
 */
export function buildStore(ports: LockedPorts, store: Store): Promise<BuildTier> {
  const { settings, log } = ports;
  return withCacheLock(ports, settings.waitMs, async () => {
    const state = inspectStore(store);
    if (state.kind === 'complete') return 'T1';
    if (state.kind === 'damaged') {
      const aside = setAside(store);
      log.warning('torch-damaged', `${store.path}: ${state.why}; it was set aside as ${aside}`);
    }
    // What was built and could not be imported is only imported again: each start would fetch gigabytes for nothing.
    const tier = isWhole(store) ? 'T1' : await install(ports, store);
    await prove(ports, store);
    await collectGarbage(ports, store.key);
    return tier;
  });
}

/** Installs the packages beside, and gives them their place in one step. */
async function install(ports: LockedPorts, store: Store): Promise<Source['tier']> {
  const { cacheDir } = ports.settings;
  const installer = chooseInstaller(ports);
  const source = await chooseSource(ports, cacheDir);
  // Only now, when there is something to build from: a damaged store may be all there is to look at.
  await sweep(cacheDir);
  const staging = join(cacheDir, `${STAGING_PREFIX}${randomName()}`);
  try {
    mkdirSync(staging, { mode: 0o755 });
    await fill(ports, staging, installer, source);
    await seal(ports, staging, store);
    return source.tier;
  } finally {
    await discard(staging);
  }
}

/** Installs the packages into the staging folder, and compiles them. */
async function fill(
  ports: LockedPorts,
  staging: string,
  installer: Installer,
  source: Source,
): Promise<void> {
  const { context, lock, log, settings } = ports;
  const scratch = join(staging, 'scratch');
  const requirements = join(staging, 'requirements.txt');
  const { packages: target } = partsOf(staging);
  for (const folder of [scratch, target]) mkdirSync(folder, { mode: 0o755 });
  // Our own list, not the lock itself: its options would go around --no-index.
  const lines = lock.packages.map(
    ({ name, version, hashes }) =>
      `${name}==${version} ${hashes.map((hash) => `--hash=sha256:${hash}`).join(' ')}\n`,
  );
  writeFileSync(requirements, lines.join(''));
  const total = lock.packages.length;
  const from = source.tier === 'T2' ? source.wheelhouse : new URL(source.indexUrl).host;
  log.info('torch-build', `${total} packages by ${installer.name} from ${from} into ${settings.cacheDir}`, {
    tier: source.tier,
    installer: installer.name,
    total,
  });
  const tell = async (seconds: number) => {
    const { bytes, packages } = await measure(staging, pins(lock));
    log.info('torch-progress', `${packages} of ${total} packages, ${inWords(bytes)}, ${seconds} s`, {
      packages,
      total,
      bytes,
      seconds,
    });
  };
  const env = installerEnv(context.env, source.tier, scratch);
  const { signal } = context;
  const python = pythonPath(context);
  await whileTelling(ports, tell, async () => {
    const [program = '', ...args] = installCommand({ installer, source, python, requirements, target });
    const result = await context.process.run(program, args, { cwd: '/', env, signal });
    signal.throwIfAborted();
    if (result.code !== 0) throw installFailure(installer, result, source, settings.cacheDir);
    // uv leaves a lock file there, which nobody needs.
    await discard(join(target, '.lock'));
    await discard(scratch);
    if (context.env.PYTHONPYCACHEPREFIX !== undefined) return;
    // Bytecode makes the imports faster, nothing else: some packages hold files that do not compile, on purpose.
    await context.process.run(python, ['-m', 'compileall', '-q', '-j', '0', target], {
      cwd: '/',
      env,
      signal,
    });
    signal.throwIfAborted();
  });
}

/** Makes the staging folder a store: its manifest, and its place. From here on only the proof is missing. */
async function seal({ context, settings }: LockedPorts, staging: string, store: Store): Promise<void> {
  const parts = partsOf(staging);
  const manifest = await sealFolder(parts.packages, context.signal);
  writeNew(parts.manifest, Buffer.from(manifest), 0o644);
  // Whatever our umask.
  chmodSync(staging, 0o755);
  syncFolder(staging);
  await discard(store.path);
  renameSync(staging, store.path);
  syncFolder(settings.cacheDir);
}

/** Imports the packages in their final place, where Python may keep its bytecode for them, and stamps the store. */
async function prove(ports: LockedPorts, store: Store): Promise<void> {
  const { context, lock, clock, facts, log } = ports;
  log.info('torch-test', 'importing torch, torchvision and torchaudio');
  const fault = await faultOfImport(context, store.packages);
  if (fault !== undefined) throw importFailed(ports, fault);
  stampStore(store, {
    builtAt: clock.now().toISOString(),
    backend: lock.backend,
    python: facts.version,
    packages: pins(lock),
  });
}

const importFailed = ({ lock, owner, settings }: LockedPorts, fault: string) =>
  new Refusal({
    code: 'torch-import-failed',
    message: `what ${lock.path} names was installed and cannot be imported (${fault})`,
    remedy: `lock packages that belong together and to this machine, and let user ${owner.uid} read ${settings.cacheDir}`,
  });
