import { lstatSync, type Stats } from 'node:fs';

/**
 * What stands at a path, a link being looked at as such; undefined where nothing stands there, or where that cannot
 * be found out. For questions whose answer may stay open: what has to be known is asked of `readRegular`.
 */
export function look(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}
