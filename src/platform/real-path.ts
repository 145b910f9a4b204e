import { realpathSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';

/** Errors that say of a path that nothing can be reached by it. */
const UNREACHED = new Set(['ENOENT', 'ENOTDIR', 'EACCES', 'ELOOP', 'ENAMETOOLONG']);

/**
 * Where a path leads, absolute, every link followed as far as it is there: what is not there yet will stand in the
 * folder that it names. Throws the error of the system where that cannot be found out.
 */
export function realPath(path: string): string {
  const whole = resolve(path);
  try {
    return realpathSync(whole);
  } catch (error) {
    const above = dirname(whole);
    if (above === whole || !UNREACHED.has((error as NodeJS.ErrnoException).code ?? '')) throw error;
    return join(realPath(above), basename(whole));
  }
}
