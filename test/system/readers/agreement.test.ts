import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { EnvReader, ReadOutcome } from '../../../src/env-file/readers/index.ts';
import { requires } from '../capability.ts';
import type { Answer } from './oracles.ts';
import { buildOracles, programs, removeOracles } from './programs.ts';
import { KEYS, shellTexts, texts } from './texts.ts';

const RUNS = 12_000;

beforeAll(buildOracles);
afterAll(removeOracles);

for (const program of programs) {
  test.skipIf(requires(program.title, program.present))(
    `the model reads as ${program.title} does`,
    async () => {
      const files = fc.sample(program.shell ? shellTexts : texts, { numRuns: RUNS, seed: 7 });
      const answers = await program.read(files);
      const result = differences(program.model, files, answers, program.shell);
      expect(result.different).toEqual([]);
      expect(result.read).toBeGreaterThan(RUNS / 20);
    },
  );
}

/** How many files both read, and the first few that they read differently. */
function differences(
  reader: EnvReader,
  files: readonly string[],
  answers: readonly Answer[],
  shell: boolean,
) {
  const different: unknown[] = [];
  let read = 0;
  files.forEach((text, index) => {
    const outcome = reader.read(text);
    // One model stands for all shells: where they may differ it gives up, and vouches for nothing.
    if (!outcome.ok && shell) return;
    const model = compared(outcome.ok ? valuesOf(outcome) : undefined, outcome, shell);
    const real = compared(answers[index], outcome, shell);
    if (answers[index] !== undefined && outcome.ok) read += 1;
    if (JSON.stringify(model) !== JSON.stringify(real)) different.push({ text, model, real });
  });
  return { read, different: different.slice(0, 5) };
}

function valuesOf(outcome: Extract<ReadOutcome, { ok: true }>): Map<string, string> {
  return new Map([...outcome.values].map(([key, { value }]) => [key, value]));
}

// What a host or a command would decide is not compared, nor a shell's variables that nobody asked it for.
function compared(values: Answer, outcome: ReadOutcome, shell: boolean) {
  if (values === undefined) return 'rejected';
  const known = [...values].filter(([key]) => {
    const unstable = outcome.ok ? outcome.values.get(key)?.unstable : undefined;
    const asked = !shell || KEYS.some((name) => name === key);
    return asked && unstable !== 'executed' && unstable !== 'inherited';
  });
  return known.sort(([a], [b]) => (a < b ? -1 : 1));
}
