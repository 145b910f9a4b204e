import { expect, it } from 'vitest';
import { parseDuration, parseSpan } from '../../../src/model/duration.ts';
import { finding } from '../../../src/model/finding.ts';
import { liesIn } from '../../../src/model/path.ts';
import { annotationOf } from '../../../src/report/github.ts';

it.each([
  ['/w', true],
  ['/w/a', true],
  ['/w/..x/a', true],
  ['/w-beside', false],
  ['/w/../a', false],
  ['/', false],
])('%s lies in /w: %s', (path, expected) => {
  expect(liesIn(path, '/w')).toBe(expected);
});

it('annotates a file in a folder whose name begins with two dots', () => {
  const one = finding('file-missing', { location: { path: '/w/..x/.env', kind: 'file' } });
  expect(annotationOf(one, { root: '/w', cwd: '/w', workspace: '/w' }).file).toBe('..x/.env');
});

it('reads a span of time; a duration is longer than none', () => {
  const spans = ['90', '1.5s', '500ms', '2m', '1h', '0s', '', '-1s', '1d', 's'];
  expect(spans.map(parseSpan)).toEqual([90_000, 1500, 500, 120_000, 3_600_000, 0, ...Array(4)]);
  expect(['0', '0ms', '1ms'].map(parseDuration)).toEqual([undefined, undefined, 1]);
  expect(['24h', '24.1h', '600h', '1e9'].map(parseDuration)).toEqual([86_400_000, ...Array(3)]);
});
