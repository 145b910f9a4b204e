import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Secret } from '../../../src/model/secret.ts';
import { derivedForms, Redactor } from '../../../src/platform/redact.ts';

const secretText = fc.string({ unit: 'grapheme', minLength: 8, maxLength: 40 });

/** Cuts bytes at these places. */
function cut(bytes: Buffer, places: number[]): Buffer[] {
  const at = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...at].map((start, index) => bytes.subarray(start, at[index] ?? bytes.length));
}

describe('a stream is redacted as its whole text is', () => {
  test('wherever the chunks are cut, and whatever the secrets are', () => {
    const piece = fc.oneof(fc.string({ unit: 'grapheme', maxLength: 20 }), fc.constant(null));
    const given = [
      secretText,
      fc.array(piece, { maxLength: 8 }),
      fc.array(fc.nat(), { maxLength: 12 }),
    ] as const;
    fc.assert(
      fc.property(...given, (secret, pieces, places) => {
        const redactor = new Redactor();
        redactor.add(new Secret(secret));
        const whole = `${pieces.map((text) => text ?? secret).join('')}\n.`;
        const stream = redactor.stream();
        const parts = cut(Buffer.from(whole), places).map((chunk) => stream.write(chunk));
        const shown = Buffer.concat([...parts, stream.end()]).toString('utf8');
        expect(shown).not.toContain(secret);
        for (const text of shown.split('[secret]')) expect(whole).toContain(text);
      }),
      { numRuns: 2000 },
    );
  });

  test('byte by byte, in every derived form', () => {
    const secret = new Secret(`it's $2b$12$ "a" value/${'x'.repeat(9)} ü`);
    for (const form of derivedForms(secret)) {
      const redactor = new Redactor();
      redactor.add(secret);
      const stream = redactor.stream();
      const bytes = [...Buffer.from(`before ${form} after\n`)];
      const shown = Buffer.concat([...bytes.map((byte) => stream.write(Buffer.of(byte))), stream.end()]);
      // Base64 is complete before its padding comes.
      expect(shown.toString('utf8')).toMatch(/^before \[secret\]=* after\n$/);
    }
  });

  test('nothing is held back that cannot be the beginning of a secret', () => {
    const redactor = new Redactor();
    redactor.add(new Secret('abcdefghij'));
    const stream = redactor.stream();
    expect(stream.write(Buffer.from('\r 45%')).toString()).toBe('\r 45%');
    expect(stream.write(Buffer.from(' abc')).toString()).toBe(' ');
    expect(stream.write(Buffer.from(' x')).toString()).toBe('abc x');
  });

  test('the beginning of a secret at the end of a stream stays hidden where it is long', () => {
    const redactor = new Redactor();
    redactor.add(new Secret('abcdefghijklmnop'));
    const ended = (text: string) => {
      const stream = redactor.stream();
      return Buffer.concat([stream.write(Buffer.from(text)), stream.end()]).toString();
    };
    expect(ended('x abc')).toBe('x abc');
    expect(ended('x abcdefghijk')).toBe('x [secret]');
  });

  test('bytes that are no UTF-8 pass unchanged', () => {
    const redactor = new Redactor();
    redactor.add(new Secret('abcdefghij'));
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, index) => 255 - index));
    const stream = redactor.stream();
    expect(Buffer.concat([stream.write(bytes), stream.end()]).equals(bytes)).toBe(true);
  });
});

test('a secret that is added later is found from then on', () => {
  const redactor = new Redactor();
  expect(redactor.redact('a later-secret')).toBe('a later-secret');
  redactor.add(new Secret('later-secret'));
  expect(redactor.redact('a later-secret')).toBe('a [secret]');
});

test('secrets that come and go make room for the latest; those that stay, and what comes again, are kept', () => {
  const redactor = new Redactor();
  redactor.add(new Secret('lasting-secret'));
  const names = Array.from({ length: 1000 }, (_, index) => `passing-${String(index).padStart(4, '0')}-`);
  for (const name of names) redactor.addPassing(new Secret(name), new Secret('again-and-again'));
  const shown = (text: string) => redactor.redact(text) === text;
  expect(['lasting-secret', 'again-and-again', ...names.slice(-20)].filter(shown)).toEqual([]);
  expect(names.filter((name) => !shown(name)).length).toBeLessThan(30);
});

test('a value of fewer than eight characters would black out ordinary words', () => {
  expect(derivedForms(new Secret('admin'))).not.toContain('admin');
});
