import { basename, dirname, join, relative } from 'node:path';
import { locationsOf, readLocation } from '../locations/index.ts';
import { isBcryptHash } from '../model/bcrypt.ts';
import { type Finding, finding, type Place } from '../model/finding.ts';
import type { ServiceLayout } from '../model/layout.ts';
import { liesIn } from '../model/path.ts';
import { fingerprint } from '../model/secret.ts';
import { pendingJournal } from '../store/journal.ts';
import { reallyLiesIn, stateFolder } from '../store/state.ts';
import type { FileSnapshot, Observation } from './gather.ts';
import type { Resolution } from './resolve.ts';
import type { World } from './world.ts';

/** Places that git tracks: a secret in them is in every clone. Silent where there is no git or no repository. */
export async function trackedFindings(
  root: string,
  services: readonly ServiceLayout[],
  world: World,
): Promise<Finding[]> {
  const kinds = new Map(services.flatMap(locationsOf).map((one) => [one.path, one.kind]));
  // git refuses the whole question where one path lies outside its repository.
  const inside = [...kinds].filter(([path]) => liesIn(path, root));
  if (inside.length === 0) return [];
  const paths = inside.map(([path]) => relative(root, path));
  const args = ['--literal-pathspecs', '-C', root, 'ls-files', '-z', '--', ...paths];
  const { stdout } = await world.process.run('git', args, { env: gitEnvironment(world.env) });
  const tracked = new Set(stdout.split('\0'));
  return inside
    .filter(([path]) => tracked.has(relative(root, path)))
    .map(([path, kind]) => finding('tracked-by-git', { location: { path, kind } }));
}

/** What git needs to find itself and its settings: no credential, and no repository other than the one around the root. */
function gitEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const needed = ['PATH', 'HOME', 'XDG_CONFIG_HOME', 'SystemRoot', 'USERPROFILE'];
  return Object.fromEntries(needed.map((name) => [name, env[name]]));
}

/** The journal that an interrupted command left, where there is one; whoever only reads reports it. */
export function journalFindings(root: string, world: World): Finding[] {
  const state = stateFolder(root, world.env);
  const journal = pendingJournal(state);
  if (journal === null) return [];
  const { command, phase, files } = journal;
  const location: Place = { path: state.path, kind: 'file' };
  return [finding('journal-pending', { location, args: { command, phase, files: files.length } })];
}

/** Files in a job's workspace, where the next checkout deletes what is untracked (reliability.md §1.7). */
export function workspaceFindings(services: readonly ServiceLayout[], world: World): Finding[] {
  const workspace = world.env.GITHUB_WORKSPACE;
  if (!workspace) return [];
  const paths = new Map(services.flatMap(locationsOf).map((one) => [one.path, one.kind]));
  return [...paths]
    .filter(([path]) => reallyLiesIn(path, workspace))
    .map(([path, kind]) => finding('in-workspace', { location: { path, kind } }));
}

/** Variables of this shell that Compose would take before those of the file (readers.md §2.2). */
export function shadowedFindings(
  service: ServiceLayout,
  observations: readonly Observation[],
  world: World,
): Finding[] {
  const env = service.env;
  if (env === undefined || !env.readers.some((one) => one.name === 'compose' || one.name === 'compose-v1'))
    return [];
  const parts = observations.find((one) => one.location === env)?.content?.parts ?? [];
  return parts.flatMap(({ value, place }) => {
    const shell = place.key === undefined ? undefined : world.env[place.key];
    if (shell === undefined || shell === value.reveal()) return [];
    return [
      finding('env-shadowed', { service: service.name, location: place, args: { key: place.key ?? '' } }),
    ];
  });
}

/** Backup names of the predecessor's tools (domain.md §4), beside the file or in `_backups`. */
function backupsOf(path: string, files: FileSnapshot): string[] {
  const name = basename(path);
  const folder = dirname(path);
  const isBackup = (entry: string) =>
    entry.startsWith(`${name}.`) && /\.(?:backup|bak)/i.test(entry.slice(name.length));
  const kept = join(folder, '_backups');
  return [
    ...files
      .list(folder)
      .filter(isBackup)
      .map((entry) => join(folder, entry)),
    ...files
      .list(kept)
      .filter((entry) => entry.startsWith(name))
      .map((entry) => join(kept, entry)),
  ];
}

/** Backups that hold another bearer than the one that stands: putting them back would break the service. */
export function staleBackupFindings(
  service: ServiceLayout,
  resolution: Resolution,
  files: FileSnapshot,
): Finding[] {
  const { bearer } = resolution;
  if (bearer === undefined) return [];
  const seen = new Set<string>();
  return locationsOf(service).flatMap((location) =>
    backupsOf(location.path, files).flatMap((path) => {
      const file = files.read(path);
      if (seen.has(path) || file.kind !== 'file') return [];
      seen.add(path);
      const { parts } = readLocation(file.bytes, { ...location, path });
      const stale = parts.find((one) => one.part === 'bearer' && !one.value.equals(bearer));
      if (stale === undefined) return [];
      const shown = isBcryptHash(stale.value.reveal()) && { found: fingerprint(stale.value) };
      const args = { of: location.path, ...shown };
      return [finding('backup-stale', { service: service.name, location: { path, kind: 'file' }, args })];
    }),
  );
}
