import { readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { quoted, read, rows, section } from './source.ts';

const folder = resolve(import.meta.dirname, '..', '..', '..', 'image', 'guard');
const code = readdirSync(folder)
  .filter((name) => name.endsWith('.py'))
  .map((name) => read(join('image', 'guard', name)))
  .join('\n');
const document = read('docs/guard.md');

const found = (pattern: RegExp) =>
  [...new Set([...code.matchAll(pattern)].map(([, name = '']) => name))].sort();
const firstCells = (heading: string) =>
  rows(section(document, heading))
    .flatMap(([cell = '']) => quoted(cell))
    .sort();

test('every variable that the guard reads has a row, and no other', () => {
  const read = found(/\(env, "([A-Z_]+)"/g).concat('EXPOSE_MODE');
  expect(read.length).toBeGreaterThan(8);
  expect(firstCells('## Settings')).toEqual([...new Set(read)].sort());
  expect(code).toContain('env.get("EXPOSE_MODE")');
});

test('every metric has a row, and no other', () => {
  expect(firstCells('## Metrics')).toEqual(found(/metric\("(comfyui_\w+)"/g));
});

test('every event has a row, and no other', () => {
  expect(firstCells('## Events')).toEqual(found(/\.event\("([a-z-]+)"/g));
});

test.each([
  ['MAX_LOGIN_ATTEMPTS', /"MAX_LOGIN_ATTEMPTS", (\d+)/],
  ['SESSION_EXPIRE_HOURS', /"SESSION_EXPIRE_HOURS", (\d+)/],
])('the default of %s', (name, pattern) => {
  const row = rows(section(document, '## Settings')).find(([cell = '']) => quoted(cell).includes(name));
  expect(row?.[1]).toBe(`\`${pattern.exec(code)?.[1]}\``);
});

test('every verdict is told', () => {
  const verdicts = rows(section(document, '## Metrics')).find(([cell = '']) =>
    cell.includes('requests_total'),
  );
  for (const word of quoted(verdicts?.[1] ?? '').slice(1)) expect(code, word).toContain(`"${word}"`);
});
