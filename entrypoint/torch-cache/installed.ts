import { createHash } from 'node:crypto';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { readRegular } from '../../src/store/read-file.ts';
import { replaceFile } from '../../src/store/replace.ts';
import { unless } from '../../src/store/system-call.ts';
import type { PythonFacts } from '../python.ts';
import { activePackages, deactivate, WITHOUT_STORE } from './activate.ts';
import { asUser } from './as-user.ts';
import { makeSharedFolder } from './folder.ts';
import { faultOfImport } from './import-test.ts';
import { normalVersion, readDistInfo, TORCH_PACKAGES } from './lock-file.ts';
import type { LockedPorts } from './ports.ts';

/** What site-packages itself holds. Asked while the store is active, Python would tell the store's versions. */
function ownVersions({ sitePackages }: PythonFacts): Record<string, string> {
  const names = unless(['ENOENT', 'EACCES'], () => readdirSync(sitePackages)) ?? [];
  const found = names.flatMap((name) => readDistInfo(name) ?? []);
  return Object.fromEntries(found.map(({ name, version }) => [name, version]));
}

/** Whether each package of the lock is installed in its version, without the store. */
export function isInstalled({ lock, facts }: LockedPorts): boolean {
  const versions = activePackages(facts) === undefined ? facts.versions : ownVersions(facts);
  return lock.packages.every(({ name, version }) => {
    const found = versions[name];
    return typeof found === 'string' && normalVersion(found) === version;
  });
}

/** Changes whenever the installed packages do. */
function fingerprint({ lock, facts, context }: LockedPorts): string {
  const { version, tag, machine, libc, sitePackages } = facts;
  const packages = lock.packages.map((one) => `${one.name}==${one.version}`);
  const files = TORCH_PACKAGES.map((name) => {
    const stats = statSync(join(sitePackages, name, '__init__.py'), { throwIfNoEntry: false });
    return stats === undefined ? null : [stats.size, stats.mtimeMs];
  });
  const parts = [context.python, version, tag, machine, libc, sitePackages, packages, files];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}

const memoryPath = (cacheDir: string) => join(cacheDir, 'installed.json');

/** Whether these installed packages have passed the import test before. */
export function isRemembered(ports: LockedPorts): boolean {
  try {
    const found = readRegular(memoryPath(ports.settings.cacheDir), { maxBytes: 65_536 });
    const { passed } = JSON.parse(found.kind === 'file' ? found.bytes.toString('utf8') : '{}');
    return passed === fingerprint(ports);
  } catch {
    // Without a memory the test is done again: slower, never wrong.
    return false;
  }
}

function remember(ports: LockedPorts): void {
  const { cacheDir } = ports.settings;
  const { user } = ports.context;
  try {
    makeSharedFolder(cacheDir, user);
    const bytes = Buffer.from(`${JSON.stringify({ passed: fingerprint(ports) })}\n`);
    asUser(user, () => replaceFile(memoryPath(cacheDir), bytes, { mode: 0o644 }));
  } catch {
    const message = `${cacheDir} cannot be written: PyTorch is imported again at each start to test it`;
    ports.log.warning('torch-cache', message);
  }
}

/**
 * T0: whether PyTorch as locked is installed and can be imported without the store, which is then taken from Python's
 * sight. The import is tried only where the installed packages have changed. Throws a `Refusal` (77, 74).
 */
export async function holdsInstalled(ports: LockedPorts): Promise<boolean> {
  if (!isInstalled(ports)) return false;
  if (!isRemembered(ports)) {
    ports.log.info('torch-test', 'importing torch, torchvision and torchaudio');
    const fault = await faultOfImport({ ...ports.context, env: { ...ports.context.env, ...WITHOUT_STORE } });
    if (fault !== undefined) {
      ports.log.warning('torch-broken', `the installed PyTorch cannot be imported (${fault})`);
      return false;
    }
    remember(ports);
  }
  deactivate(ports);
  return true;
}
