import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { shellWords } from '../../../entrypoint/shell-words.ts';

/** What a real shell makes of a line; undefined where it cannot read it. */
function byShell(line: string): string[] | undefined {
  const { status, stdout } = spawnSync('sh', ['-c', `for word in ${line}\ndo printf '%s\\0' "$word"; done`], {
    encoding: 'utf8',
  });
  return status === 0 ? stdout.split('\0').slice(0, -1) : undefined;
}

test('words are those of a real shell', () => {
  // Without what a shell expands or acts upon: nothing of that happens here. The first word keeps `for` happy.
  const line = fc
    .string({ unit: fc.constantFrom(...`ab=- \t'"\\/.:`), maxLength: 14 })
    .map((text) => `w ${text}`);
  fc.assert(
    fc.property(line, (text) => {
      // A backslash before the line end would join the test's own next line.
      fc.pre(!/\\$/.test(text));
      expect(shellWords(text)).toEqual(byShell(text));
    }),
    { numRuns: 400 },
  );
});

test.each<[string, string[] | undefined]>([
  ['', []],
  ['  --cpu   --port 8188 ', ['--cpu', '--port', '8188']],
  [`--a "b c"'d e'f\\ g`, ['--a', 'b cd ef g']],
  ['""', ['']],
  ['$HOME `id` *', ['$HOME', '`id`', '*']],
  ['"open', undefined],
  ["it's", undefined],
])('%j', (line, words) => {
  expect(shellWords(line)).toEqual(words);
});
