import { format, inspect } from 'node:util';
import { expect, it } from 'vitest';
import { fingerprint, Secret } from '../../../src/model/secret.ts';

it('shows itself in no way of turning a value into text', () => {
  const value = `s3cret-${Math.random()}`;
  const secret = new Secret(value);
  const ways = [
    String(secret),
    `${secret}`,
    JSON.stringify({ secret }),
    inspect({ a: { b: [secret] } }, { depth: 9, showHidden: true }),
    format('%s %o %O %j %d', secret, secret, secret, secret, secret),
    Object.entries(secret).join(),
    JSON.stringify(new Map([[secret, secret]])),
  ];
  for (const text of ways) expect(text).not.toContain(value);
  expect(() => structuredClone({ secret })).not.toThrow();
  expect(inspect(structuredClone({ secret }))).not.toContain(value);
});

it('names a bearer by eight hex digits', () => {
  expect(fingerprint(new Secret('abc'))).toBe('ba7816bf');
});
