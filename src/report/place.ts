import { isAbsolute, relative } from 'node:path';
import type { Place } from '../model/finding.ts';

/** Text without what a terminal would obey, or take for a new line. */
export function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, (one) => `\\x${one.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

/** A path as people read it: relative to the root where it lies below it. An address, or a container's name, stays whole. */
export function shortPath(path: string, root: string): string {
  if (!isAbsolute(path)) return printable(path);
  const way = relative(root, path);
  return printable(way === '' ? '.' : way.startsWith('..') || isAbsolute(way) ? path : way);
}

/** Quotes a word for a shell where it needs that. */
export function shellWord(text: string): string {
  return /^[A-Za-z0-9_./:@%+=,-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** `path:line key`, as far as known. */
export function placeText(place: Place, root: string): string {
  const line = place.line === undefined ? '' : `:${place.line}`;
  const key = place.key === undefined ? '' : ` ${place.key}`;
  return `${shortPath(place.path, root)}${line}${key}`;
}
