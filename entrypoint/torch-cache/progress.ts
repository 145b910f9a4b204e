import type { Dirent } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { readDistInfo } from './lock-file.ts';
import type { TorchPorts } from './ports.ts';

const EVERY_MS = 10_000;

/** Does the work; calls `tell` every ten seconds until it is done. */
export async function whileTelling<T>(
  { clock }: TorchPorts,
  tell: (seconds: number) => Promise<void> | void,
  work: () => Promise<T>,
): Promise<T> {
  const done = new AbortController();
  const start = clock.monotonicMs();
  const telling = (async () => {
    for (;;) {
      await clock.wait(EVERY_MS, done.signal);
      await tell(Math.round((clock.monotonicMs() - start) / 1000));
    }
  })().catch(() => undefined);
  try {
    return await work();
  } finally {
    done.abort();
    await telling;
  }
}

/** What an installer has written so far, wherever below the folder; a package counts from its RECORD on. */
export async function measure(
  folder: string,
  wanted: readonly string[],
): Promise<{ bytes: number; packages: number }> {
  let bytes = 0;
  // Some packages bring others along inside: only those of the lock count, and each once.
  const found = new Set<string>();
  const folders = [folder];
  for (const path of folders) {
    // Installers move and remove while we look.
    const entries = await readdir(path, { withFileTypes: true }).catch((): Dirent[] => []);
    for (const entry of entries) {
      if (entry.isDirectory()) folders.push(join(path, entry.name));
      else bytes += (await lstat(join(path, entry.name)).catch(() => ({ size: 0 }))).size;
      const info = entry.name === 'RECORD' ? readDistInfo(basename(path)) : undefined;
      if (info !== undefined) found.add(`${info.name}==${info.version}`);
    }
  }
  return { bytes, packages: wanted.filter((one) => found.has(one)).length };
}

/** `1.2 GB`, `34 MB`. */
export const inWords = (bytes: number): string =>
  bytes >= 1e9 ? `${(bytes / 1e9).toFixed(1)} GB` : `${Math.round(bytes / 1e6)} MB`;
