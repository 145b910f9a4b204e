import { isAbsolute, relative, sep } from 'node:path';

/** Whether a path lies in a folder, or is it. By the names alone: links are not followed. */
export function liesIn(path: string, folder: string): boolean {
  const way = relative(folder, path);
  return way.split(sep)[0] !== '..' && !isAbsolute(way);
}
