import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

export const root = resolve(import.meta.dirname, '..', '..', '..');

/** A file of the repository, by its path from the root. */
export const read = (path: string): string => readFileSync(join(root, path), 'utf8');

/** Every module of the entrypoint: its path and its text. */
export function entrypointSources(): { path: string; text: string }[] {
  return readdirSync(join(root, 'entrypoint'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .sort()
    .map((name) => ({ path: `entrypoint/${name}`, text: read(`entrypoint/${name}`) }));
}

/** The part of a document below a heading, up to the next heading of the same or a higher level. */
export function section(document: string, heading: string): string {
  const lines = document.split('\n');
  const from = lines.indexOf(heading);
  if (from < 0) throw new Error(`there is no ${heading}`);
  const [marks = '#'] = /^#+/.exec(heading) ?? [];
  const rest = lines.slice(from + 1);
  let code = false;
  const end = rest.findIndex((line) => {
    if (line.startsWith('```')) code = !code;
    const [found] = /^#+(?= )/.exec(line) ?? [];
    return !code && found !== undefined && found.length <= marks.length;
  });
  return rest.slice(0, end < 0 ? undefined : end).join('\n');
}

/** The rows of the tables in a text, without their heads, cut into cells. */
export function rows(text: string): string[][] {
  return text
    .split('\n')
    .filter((line, at, all) => line.startsWith('|') && !/^\|[\s|:-]+\|?$/.test(line) && !isHead(all[at + 1]))
    .map((line) => line.split('|').slice(1, -1))
    .map((cells) => cells.map((cell) => cell.trim()));
}

const isHead = (next: string | undefined) => next !== undefined && /^\|(?:\s*:?-+:?\s*\|)+$/.test(next);

/** The words in back-ticks. */
export const quoted = (text: string): string[] =>
  [...text.matchAll(/`([^`]+)`/g)].map(([, word = '']) => word);
