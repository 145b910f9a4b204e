import { join } from 'node:path';
import { digestOf, readRegular } from '../../src/store/read-file.ts';
import { replaceFile } from '../../src/store/replace.ts';
import { asUser } from './as-user.ts';
import { makeSharedFolder } from './folder.ts';
import type { TorchLock } from './lock-file.ts';
import type { LockedPorts } from './ports.ts';

/** The lock without its hashes: with them, pip would ask for the hash of every other package, too. */
export const pins = (lock: TorchLock): string[] =>
  lock.packages.map(({ name, version }) => `${name}==${version}`);

/**
 * The variables that keep `pip install` and `uv pip install` of a custom node from replacing PyTorch; those that the
 * operator has set stay. Where the file for it cannot be written that is said, and nothing is protected.
 */
export function constraintsFor({ lock, settings, context, log }: LockedPorts): Record<string, string> {
  const text = `${pins(lock).join('\n')}\n`;
  const folder = join(settings.cacheDir, 'constraints');
  const path = join(folder, `${digestOf(Buffer.from(text)).slice(0, 16)}.txt`);
  try {
    const found = readRegular(path);
    if (found.kind !== 'file' || found.bytes.toString('utf8') !== text) {
      makeSharedFolder(folder, context.user);
      asUser(context.user, () => replaceFile(path, Buffer.from(text), { mode: 0o644 }));
    }
  } catch {
    log.warning('torch-cache', `${path} cannot be written: custom nodes may replace PyTorch by pip`);
    return {};
  }
  const both = (name: string) => [context.env[name] ?? '', path].filter((one) => one !== '').join(' ');
  return { PIP_CONSTRAINT: both('PIP_CONSTRAINT'), UV_CONSTRAINT: both('UV_CONSTRAINT') };
}
