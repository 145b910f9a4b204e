// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the values under test are full of them
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { editEnv } from '../../../src/env-file/edit.ts';
import type { ReaderName, ReaderSpec } from '../../../src/model/layout.ts';
import { requires } from '../capability.ts';
import { buildOracles, programs, removeOracles } from './programs.ts';

const RUNS = 10_000;
const node: ReaderSpec = { name: 'node', since: process.versions.node.startsWith('20.') ? '20' : '22' };

beforeAll(buildOracles);
afterAll(removeOracles);

/** Values as passwords and tokens are, and worse. */
const value = fc
  .array(
    fc.oneof(
      fc.constantFrom('a', 'Zz', '0', '2b', '.', '/', 'é', '😀', '-', '_', ',', '+', '%', '@', '^', ':'),
      fc.constantFrom(
        "'",
        '"',
        '$',
        '\\',
        '#',
        ' ',
        '=',
        '!',
        '~',
        '*',
        '?',
        '{',
        '}',
        '[',
        ']',
        '`',
        ';',
        '&',
        '|',
      ),
      fc.constantFrom(
        '(',
        ')',
        '<',
        '>',
        '\n',
        '\t',
        '${',
        '$(',
        '\\n',
        "\\'",
        ' #',
        '\u00a0',
        '$A',
        '${A}',
        '\\$',
      ),
    ),
    { minLength: 0, maxLength: 12 },
  )
  .map((parts) => parts.join(''));

const SETS: { names: ReaderName[]; before: string }[] = [
  { names: ['compose', 'dotenv'], before: "# it's\nA='x y'\nB=1\n" },
  { names: ['compose', 'dotenv', 'python-dotenv', 'posix', 'node'], before: 'A=1\nK=old\nB="b"\n' },
  { names: ['docker-run'], before: 'A=1\n' },
  { names: ['compose', 'docker-run'], before: 'A=1\nB=2' },
  { names: ['posix'], before: "A='it'\\''s'\nK=\n" },
];

for (const { names, before } of SETS) {
  const wanted = programs.filter((program) => names.includes(program.model.name));
  const missing = wanted.filter((program) => !program.present).map((program) => program.title);
  test.skipIf(requires(missing.join(', '), missing.length === 0))(
    `what is written for ${names.join(', ')} is what each receives`,
    async () => {
      const specs = names.map((name): ReaderSpec => (name === 'node' ? node : { name }));
      const written = fc.sample(value, { numRuns: RUNS, seed: 3 }).flatMap((meant) => {
        const edited = editEnv(before, [{ key: 'K', value: meant }], specs, ['A']);
        return edited.ok ? [{ meant, text: edited.text }] : [];
      });
      expect(written.length).toBeGreaterThan(RUNS / 100);
      for (const program of wanted) {
        const answers = await program.read(written.map(({ text }) => text));
        const wrong = written.filter(({ meant }, index) => answers[index]?.get('K') !== meant);
        expect({ program: program.title, wrong: wrong.slice(0, 5) }).toEqual({
          program: program.title,
          wrong: [],
        });
      }
    },
  );
}
