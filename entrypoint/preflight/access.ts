import { accessSync, constants, realpathSync, type Stats, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Owner } from '../../src/model/layout.ts';
import { errnoOf } from '../../src/store/system-call.ts';
import type { PreflightWorld } from './check.ts';
import { systemFile } from './system-file.ts';

/** What somebody wants to do in a folder; to pass through it is always a part. */
export type Want = 'read' | 'write';

const BITS = { read: 4, write: 2, pass: 1 } as const;

/** The deepest folder on the way to a path that is there, its links followed. Throws a system error. */
export function nearestFolder(path: string): string {
  try {
    const real = realpathSync(path);
    if (statSync(real).isDirectory()) return real;
    throw Object.assign(new Error(), { code: 'ENOTDIR' });
  } catch (error) {
    const above = dirname(path);
    if (above === path || errnoOf(error) !== 'ENOENT') throw error;
    return nearestFolder(above);
  }
}

/**
 * Why a user may not read or write in a folder; undefined where it may. For ourselves the system is asked; for
 * another user owner and mode decide, without access lists and without further groups.
 */
export function denied(world: PreflightWorld, folder: string, want: Want, who: Owner): string | undefined {
  if (want === 'write') {
    const mount = readOnlyMount(world, folder);
    if (mount !== undefined) return `${mount} is mounted read-only`;
  }
  const mode = constants.X_OK | (want === 'write' ? constants.W_OK : constants.R_OK);
  const { self } = world;
  const asOurselves = self.uid === who.uid && self.gid === who.gid;
  if (asOurselves || want === 'write') {
    const errno = accessErrno(folder, mode);
    // Of another user a refusal by mode is no news; that nobody may write there is.
    if (errno !== undefined && (asOurselves || errno === 'EROFS')) return `${folder}: ${errno}`;
  }
  return asOurselves || who.uid === 0 ? undefined : byMode(folder, want, who);
}

function accessErrno(folder: string, mode: number): string | undefined {
  try {
    accessSync(folder, mode);
    return undefined;
  } catch (error) {
    return errnoOf(error);
  }
}

function byMode(folder: string, want: Want, who: Owner): string | undefined {
  const above = dirname(folder);
  if (above !== folder) {
    const blocked = passable(above, who);
    if (blocked !== undefined) return blocked;
  }
  const stats = statSync(folder);
  return may(stats, BITS[want] | BITS.pass, who) ? undefined : described(folder, stats);
}

function passable(folder: string, who: Owner): string | undefined {
  const above = dirname(folder);
  const blocked = above === folder ? undefined : passable(above, who);
  if (blocked !== undefined) return blocked;
  const stats = statSync(folder);
  return may(stats, BITS.pass, who) ? undefined : described(folder, stats);
}

function may({ mode, uid, gid }: Stats, bits: number, who: Owner): boolean {
  const shift = uid === who.uid ? 6 : gid === who.gid ? 3 : 0;
  return ((mode >> shift) & bits) === bits;
}

const described = (path: string, { mode, uid, gid }: Stats) =>
  `${path} belongs to ${uid}:${gid}, mode ${(mode & 0o7777).toString(8).padStart(4, '0')}`;

/** The mount that holds a path, where it is read-only. */
export function readOnlyMount(world: PreflightWorld, path: string): string | undefined {
  let holder: { point: string; readOnly: boolean } | undefined;
  for (const line of systemFile(world, 'proc/self/mountinfo')?.split('\n') ?? []) {
    const fields = line.split(' ');
    const point = unescaped(fields[4] ?? '');
    const inside = point === '/' || path === point || path.startsWith(`${point}/`);
    // Of two at one point the later one lies above.
    if (point === '' || !inside || (holder !== undefined && point.length < holder.point.length)) continue;
    const options = [fields[5] ?? '', fields[fields.indexOf('-') + 3] ?? ''];
    holder = { point, readOnly: options.some((list) => list.split(',').includes('ro')) };
  }
  return holder?.readOnly ? holder.point : undefined;
}

/** The kernel writes a blank, a tab, a line end and a backslash as octal. */
const unescaped = (text: string) =>
  text.replace(/\\([0-7]{3})/g, (_match, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
