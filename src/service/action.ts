import { liesIn } from '../model/path.ts';
import { realPath } from '../platform/real-path.ts';
import { type Container, isAlive } from './container.ts';
import type { Restart } from './driver.ts';

/** What changes, and what the containers of a service were made of. All paths absolute; links are followed. */
export interface Changes {
  /** The files that are written: one at least. */
  changed: readonly string[];
  /** Env files that Compose or docker read: a container knows them only from its making. */
  envFiles: readonly string[];
  composeFile?: string;
  containers: readonly Container[];
  /** When a file was last written, before what changes now. */
  mtimeOf(path: string): Date | undefined;
}

/**
 * What makes a service read what changes (domain.md §6): a new container where nothing runs, where an env file or the
 * compose file changes or is newer than the container, or where a mounted file itself is replaced, since the container
 * keeps the old one; a new process for what lies in a mounted folder; else nothing.
 */
export function restartActionFor({
  changed,
  envFiles,
  composeFile,
  containers,
  mtimeOf,
}: Changes): Restart | 'none' {
  if (!containers.some(isAlive)) return 'recreate';
  const making = [...envFiles, ...(composeFile === undefined ? [] : [composeFile])];
  const made = Math.min(...containers.map((one) => one.createdAt.getTime()));
  if (making.some((path) => (mtimeOf(path)?.getTime() ?? 0) > made)) return 'recreate';
  const written = changed.map(realPath);
  const sources = containers
    .flatMap((one) => one.mounts)
    .flatMap((one) => (one.source ? [realPath(one.source)] : []));
  const atMaking = new Set([...making.map(realPath), ...sources]);
  if (written.some((path) => atMaking.has(path))) return 'recreate';
  return written.some((path) => sources.some((source) => liesIn(path, source))) ? 'restart' : 'none';
}
