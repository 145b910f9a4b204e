import { chmodSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ProcessResult } from '../../src/platform/process.ts';
import { syncFolder } from '../../src/store/folder.ts';
import { randomName } from '../../src/store/replace.ts';
import { errnoOf, exists } from '../../src/store/system-call.ts';
import { Refusal } from '../exit.ts';
import { asUser } from './as-user.ts';
import { withCacheLock } from './cache-lock.ts';
import { pins } from './constraints.ts';
import { collectGarbage, discard, moveAside, setAside, sweep } from './gc.ts';
import { faultOfImport } from './import-test.ts';
import { ifUnused } from './in-use.ts';
import { installFailure } from './install-failure.ts';
import {
  chooseInstaller,
  type Installer,
  installCommand,
  installerEnv,
  pythonPath,
  type Source,
} from './installer.ts';
import { SEAL } from './manifest.ts';
import type { LockedPorts } from './ports.ts';
import { inWords, measure, whileTelling } from './progress.ts';
import { whileReading } from './refusals.ts';
import { chooseSource } from './source.ts';
import { inspectStore, isWhole, partsOf, STAGING_PREFIX, type Store, stampStore } from './store.ts';

export type BuildTier = 'T1' | Source['tier'];

/**
 * Builds the store, as the only builder; gives T1 where it was built in the meantime. Whatever ends it, nothing
 * unfinished is ever used: the stamp comes last. Throws a `Refusal` with what stood in the way.
 */
export function buildStore(ports: LockedPorts, store: Store): Promise<BuildTier> {
  const { settings, log, owner, context } = ports;
  const look = <T>(work: () => T) => whileReading(store.path, owner, work);
  return withCacheLock(ports, settings.waitMs, async () => {
    const state = look(() => inspectStore(store));
    if (state.kind === 'complete') return 'T1';
    if (state.kind === 'damaged') {
      const aside = setAside(context, store);
      const what =
        aside === undefined
          ? 'it may be in use, and stays until a new one is built'
          : `it was set aside as ${aside}`;
      log.warning('torch-damaged', `${store.path}: ${state.why}; ${what}`);
    }
    // What was built and could not be imported is only imported again: each start would fetch gigabytes for nothing.
    const whole = state.kind === 'absent' && look(() => isWhole(store));
    const tier = whole ? 'T1' : await install(ports, store);
    await prove(ports, store);
    await tidy(ports, store);
    return tier;
  });
}

/** Removes old stores; where that fails, the new one is none the worse. */
async function tidy(ports: LockedPorts, store: Store): Promise<void> {
  try {
    await collectGarbage(ports, store.key);
  } catch (error) {
    const message = `old stores in ${ports.settings.cacheDir} could not be removed (${errnoOf(error)})`;
    ports.log.warning('torch-gc', message);
  }
}

/** Installs the packages beside, and gives them their place in one step. */
async function install(ports: LockedPorts, store: Store): Promise<Source['tier']> {
  const { cacheDir } = ports.settings;
  const { context } = ports;
  const installer = chooseInstaller(ports);
  const source = await chooseSource(ports, cacheDir);
  // Only now, when there is something to build from: a damaged store may be all there is to look at.
  await sweep(ports);
  const staging = join(cacheDir, `${STAGING_PREFIX}${randomName()}`);
  try {
    asUser(context.user, () => mkdirSync(staging, { mode: 0o755 }));
    await fill(ports, staging, installer, source);
    await place(ports, staging, store);
    return source.tier;
  } finally {
    await discard(context, staging);
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
  // Our own list, not the lock itself: its options would go around --no-index.
  const lines = lock.packages.map(
    ({ name, version, hashes }) =>
      `${name}==${version} ${hashes.map((hash) => `--hash=sha256:${hash}`).join(' ')}\n`,
  );
  asUser(context.user, () => {
    for (const folder of [scratch, target]) mkdirSync(folder, { mode: 0o755 });
    writeFileSync(requirements, lines.join(''));
  });
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
  await whileTelling(ports, tell, async () => {
    const python = pythonPath(context);
    const command = installCommand({ installer, source, python, requirements, target });
    const result = await runInstalling(ports, source, scratch, command);
    if (result.code !== 0) throw installFailure(installer.name, result, source, ports);
    // uv leaves a lock file there, which nobody needs.
    await discard(context, join(target, '.lock'));
    // Bytecode makes the imports faster, nothing else: some packages hold files that do not compile, on purpose.
    const compile = [python, '-m', 'compileall', '-q', '-j', '0', target];
    if (context.env.PYTHONPYCACHEPREFIX === undefined) await runInstalling(ports, source, scratch, compile);
    const sealing = [python, '-c', SEAL, target, partsOf(staging).manifest];
    const sealed = await runInstalling(ports, source, scratch, sealing);
    if (sealed.code !== 0) throw installFailure('Python', sealed, source, ports);
    await discard(context, scratch);
  });
}

/** Runs a step of the installation, as ComfyUI's user: what that user has put into its Python runs along. */
async function runInstalling(
  { context }: LockedPorts,
  source: Source,
  scratch: string,
  [program = '', ...args]: string[],
): Promise<ProcessResult> {
  const { signal, user } = context;
  const env = installerEnv(context.env, source.tier, scratch);
  const options = { cwd: '/', env, signal, ...(user !== undefined && { user }) };
  const result = await context.process.run(program, args, options);
  signal.throwIfAborted();
  return result;
}

/** Makes the staging folder a store: gives it its place. From here on only the proof is missing. */
async function place({ context, settings }: LockedPorts, staging: string, store: Store): Promise<void> {
  const old = exists(store.path) ? moveAside(context, store) : undefined;
  asUser(context.user, () => {
    // Whatever our umask.
    chmodSync(staging, 0o755);
    syncFolder(staging);
    renameSync(staging, store.path);
    syncFolder(settings.cacheDir);
  });
  if (old !== undefined && ifUnused(old, () => true)) await discard(context, old);
}

/** Imports the packages in their final place, where Python may keep its bytecode for them, and stamps the store. */
async function prove(ports: LockedPorts, store: Store): Promise<void> {
  const { context, lock, clock, facts, log } = ports;
  log.info('torch-test', 'importing torch, torchvision and torchaudio');
  const fault = await faultOfImport(context, store.packages);
  if (fault !== undefined) throw importFailed(ports, fault);
  const stamp = {
    builtAt: clock.now().toISOString(),
    backend: lock.backend,
    python: facts.version,
    packages: pins(lock),
  };
  asUser(context.user, () => stampStore(store, stamp));
}

const importFailed = ({ lock, owner, settings }: LockedPorts, fault: string) =>
  new Refusal({
    code: 'torch-import-failed',
    message: `what ${lock.path} names was installed and cannot be imported (${fault})`,
    remedy: `lock packages that belong together and to this machine, and let user ${owner.uid} read ${settings.cacheDir}`,
  });
