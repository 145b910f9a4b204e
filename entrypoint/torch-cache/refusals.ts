import { Failure } from '../../src/model/failure.ts';
import type { Owner } from '../../src/model/layout.ts';
import { errnoOf } from '../../src/store/system-call.ts';
import { exitOfErrno, Refusal } from '../exit.ts';

const OUT_OF_SPACE = ['ENOSPC', 'EDQUOT'];

/** What cannot be used. */
interface Unusable {
  code: string;
  path: string;
  /** The variable or the folder that it is about. */
  what: string;
  /** Who must be able to use it. */
  owner: Owner;
  /** What could not be done to it; `written` by default. */
  done?: 'read' | 'written';
}

function remedyFor(errno: string, { what, owner }: Unusable): string {
  if (OUT_OF_SPACE.includes(errno)) {
    return `free some space on the volume of ${what} (\`torch-cache gc\` removes old stores), or give it a larger one`;
  }
  if (errno === 'EROFS') return `mount the volume of ${what} writable`;
  if (exitOfErrno(errno) === 77) {
    return `give ${what} to the user of ComfyUI: chown -R ${owner.uid}:${owner.gid}`;
  }
  return `look at the volume of ${what}`;
}

/** The Refusal for a system error on a path: 77 for a missing permission, else 74. */
export const unusable = (about: Unusable, errno: string): Refusal =>
  new Refusal({
    code: OUT_OF_SPACE.includes(errno) ? 'torch-cache-full' : about.code,
    exit: exitOfErrno(errno),
    message: `${about.path}: could not be ${about.done ?? 'written'} (${errno})`,
    remedy: remedyFor(errno, about),
  });

/** Any error of the file system as a `Refusal`; others stay as they are. */
export function asPathRefusal(error: unknown, about: Unusable): unknown {
  if (error instanceof Refusal) return error;
  if (error instanceof Failure && error.code === 'write-failed') {
    return unusable({ ...about, path: error.location?.path ?? about.path }, errnoOf(error.cause));
  }
  if (error instanceof Failure) return error;
  const { code: errno, path = about.path } = error as NodeJS.ErrnoException;
  return errno !== undefined && /^E[A-Z]+$/.test(errno) ? unusable({ ...about, path }, errno) : error;
}

/** Looks at a store; an error of the file system becomes a `Refusal`. */
export function whileReading<T>(path: string, owner: Owner, look: () => T): T {
  try {
    return look();
  } catch (error) {
    const about = { code: 'torch-cache-unreadable', path, what: 'TORCH_CACHE', owner, done: 'read' } as const;
    throw asPathRefusal(error, about);
  }
}
