import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '..', '..');
const read = (path: string) => readFileSync(join(root, path), 'utf8');

/** The version of each package that a file for pip pins. */
const pins = (path: string) =>
  new Map(
    [...read(path).matchAll(/^([a-z0-9-]+)==([^\s\\]+)/gm)].map(([, name = '', version = '']) => [
      name,
      version,
    ]),
  );

test('the guard has the version of the whole', () => {
  const [, version] = /^VERSION = "(.+)"$/m.exec(read('image/guard/__init__.py')) ?? [];
  expect(version).toBe(JSON.parse(read('package.json')).version);
});

test('the guard is tested with the packages that the image has', () => {
  const image = pins('image/requirements.lock');
  const both = [...pins('test/guard/requirements.txt')].filter(([name]) => image.has(name));
  expect(both.map(([name]) => name)).toEqual(
    expect.arrayContaining(['aiohttp', 'aiohttp-session', 'bcrypt']),
  );
  expect(Object.fromEntries(both)).toEqual(Object.fromEntries(both.map(([name]) => [name, image.get(name)])));
});

test('CI has one version of each Python package', () => {
  const own = pins('test/guard/requirements.txt');
  const named = [...read('.ci/run').matchAll(/'([a-z0-9-]+)==([^']+)'/g)];
  expect(named.map(([, name]) => name)).toContain('bcrypt');
  for (const [, name = '', version] of named) expect([undefined, version]).toContain(own.get(name));
});
