import { existsSync, lstatSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** What an ended command must not leave in a deployment: temporary files, kept files, a journal, half a backup. */
export function tracesIn(root: string): string[] {
  const names = readdirSync(root, { recursive: true, encoding: 'utf8' });
  const state = join(root, '.comfyui-auth');
  return names.filter((name) => {
    const path = join(root, name);
    if (/\.[0-9a-f]{16}\.(?:old|new)$/.test(name) || /journal\.(?:json|new)$/.test(name)) return true;
    return join(path, '..') === join(state, 'backups') && !existsSync(join(path, 'manifest.json'));
  });
}

/** The names of the sets of old files that are kept. */
export function backupsIn(root: string): string[] {
  const folder = join(root, '.comfyui-auth', 'backups');
  return existsSync(folder) ? readdirSync(folder) : [];
}

/** Every entry below a folder with its bytes, mode, time and inode; folders without their times. */
export function photograph(root: string): Record<string, string> {
  const entries = readdirSync(root, { recursive: true, withFileTypes: true });
  return Object.fromEntries(
    entries.map((entry) => {
      const path = join(entry.parentPath, entry.name);
      const { mtimeNs, mode, ino } = lstatSync(path, { bigint: true });
      const file = entry.isFile() ? ` ${mtimeNs} ${readFileSync(path).toString('base64')}` : '';
      return [path.slice(root.length), `${ino} ${mode}${file}`];
    }),
  );
}
