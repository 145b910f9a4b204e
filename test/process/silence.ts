import { expect } from 'vitest';
import { Secret } from '../../src/model/secret.ts';
import { derivedForms } from '../../src/platform/redact.ts';

/** Holds that a text shows none of the secrets, in no spelling, and no stack of an error that nobody caught. */
export function expectSilent(text: string, secrets: readonly string[]): void {
  const shown = secrets.flatMap((one) => derivedForms(new Secret(one))).filter((form) => text.includes(form));
  expect(shown, text).toEqual([]);
  expect(text).not.toMatch(/\n\s+at .*:\d+:\d+|node:internal|should not happen/);
}
