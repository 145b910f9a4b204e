import { expect, test } from 'vitest';
import { BOOT_TABLE } from '../../../entrypoint/credential.ts';

test('whatever is given and deployed, exactly one row of the table fits', () => {
  const cases = [];
  for (const bearer of ['none', 'valid', 'mangled'] as const) {
    for (const password of ['none', 'matches', 'differs'] as const) {
      for (const disk of ['none', 'valid'] as const) {
        // A password can match only a hash that there is.
        const hash = bearer === 'valid' || (bearer === 'none' && disk === 'valid');
        if (password !== 'matches' || hash) cases.push({ bearer, password, disk });
      }
    }
  }
  for (const facts of cases) {
    const fitting = BOOT_TABLE.filter((row) =>
      (['bearer', 'password', 'disk'] as const).every(
        (fact) => row[fact] === 'any' || row[fact] === facts[fact],
      ),
    );
    expect(fitting, JSON.stringify(facts)).toHaveLength(1);
  }
});

test('every row is needed, and none is there twice', () => {
  expect(new Set(BOOT_TABLE.map(({ does }) => does)).size).toBe(BOOT_TABLE.length);
});
