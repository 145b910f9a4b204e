import { expect, test } from 'vitest';
import { shortPath } from '../../../src/report/place.ts';

test.each([
  ['/r/a/.env', '/r', 'a/.env'],
  ['/elsewhere/.env', '/r', '/elsewhere/.env'],
  ['/r', '/r', '.'],
  ['http://127.0.0.1:8188', process.cwd(), 'http://127.0.0.1:8188'],
])('%s from %s is %s', (path, root, short) => {
  expect(shortPath(path, root)).toBe(short);
});
