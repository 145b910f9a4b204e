import { Failure } from '../../src/model/failure.ts';
import { errnoOf } from '../../src/store/system-call.ts';
import { exitOfErrno, Refusal } from '../exit.ts';

const OUT_OF_SPACE = ['ENOSPC', 'EDQUOT'];

function remedyFor(errno: string, what: string): string {
  if (OUT_OF_SPACE.includes(errno)) {
    return `free some space on the volume of ${what} (\`torch-cache gc\` removes old stores), or give it a larger one`;
  }
  if (errno === 'EROFS') return `mount the volume of ${what} writable`;
  if (exitOfErrno(errno) === 77) {
    const { uid, gid } = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };
    return `give ${what} to the user of the container’s first process: chown -R ${uid}:${gid}`;
  }
  return `look at the volume of ${what}`;
}

/** The Refusal for a system error on a path: 77 for a missing permission, else 74. */
export const unusable = (code: string, path: string, errno: string, what: string): Refusal =>
  new Refusal({
    code: OUT_OF_SPACE.includes(errno) ? 'torch-cache-full' : code,
    exit: exitOfErrno(errno),
    message: `${path}: could not be written (${errno})`,
    remedy: remedyFor(errno, what),
  });

/** Any error of the file system as a `Refusal` about `what` (a variable or a folder); others stay as they are. */
export function asPathRefusal(error: unknown, code: string, path: string, what: string): unknown {
  if (error instanceof Refusal) return error;
  if (error instanceof Failure && error.code === 'write-failed') {
    const errno = errnoOf(error.cause);
    return unusable(code, error.location?.path ?? path, errno, what);
  }
  if (error instanceof Failure) return error;
  const { code: errno, path: at } = error as NodeJS.ErrnoException;
  return errno !== undefined && /^E[A-Z]+$/.test(errno) ? unusable(code, at ?? path, errno, what) : error;
}
