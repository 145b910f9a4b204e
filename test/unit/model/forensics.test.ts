import bcrypt from 'bcryptjs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { derivedSalt, hashPassword, isBcryptHash } from '../../../src/model/bcrypt.ts';
import { asComposeInterpolates, asShellExpands, diagnoseBearer } from '../../../src/model/forensics.ts';
import { Secret } from '../../../src/model/secret.ts';

const ALPHABET = './ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

/** Any text that has the shape of a bcrypt hash. */
const hashes = fc
  .tuple(
    fc.constantFrom('a', 'b', 'y'),
    fc.integer({ min: 4, max: 31 }),
    fc.array(fc.constantFrom(...ALPHABET), { minLength: 53, maxLength: 53 }),
  )
  .map(([version, cost, rest]) => `$2${version}$${String(cost).padStart(2, '0')}$${rest.join('')}`);

const hintOf = (text: string, ...known: string[]) =>
  diagnoseBearer(
    text,
    known.map((one) => new Secret(one)),
  ).hint;

describe('the shape of a bearer', () => {
  it('holds for every hash that bcrypt makes, and for no other length or cost', () => {
    const hash = bcrypt.hashSync('x', 4);
    expect(isBcryptHash(hash)).toBe(true);
    for (const bad of [
      hash.slice(1),
      hash.slice(0, -1),
      `${hash}a`,
      hash.replace('$04$', '$03$'),
      hash.replace('$04$', '$32$'),
      `${hash}\n`,
      hash.replace('$2b', '$2x'),
    ]) {
      expect(isBcryptHash(bad)).toBe(false);
    }
  });

  it('is derived from a secret key as the documented vector says', () => {
    const salt = derivedSalt(new Secret('0123456789abcdef'.repeat(2)), 'comfyui-qwen', 'admin');
    expect(salt).toBe('$2b$12$vrBrFMdPjpVTJgyGxT7n7u');
    const bearer = hashPassword(new Secret('correct horse battery staple'), salt).reveal();
    expect(bearer.slice(salt.length)).toBe('YoK5BvlgHCOwaIifJ2D2VJqDsv5yl/m');
  });
});

describe('a damaged bearer is explained by the hash that it was', () => {
  const damages: [string, (hash: string, at: number) => string][] = [
    ['truncated', (hash, at) => hash.slice(0, 7 + (at % 53))],
    [
      'doubled-character',
      (hash, at) => hash.slice(0, 8 + (at % 52)) + hash.charAt(7 + (at % 52)) + hash.slice(8 + (at % 52)),
    ],
    ['quoted', (hash) => `'${hash}'`],
    ['quoted', (hash) => `"${hash}`],
    ['prefixed', (hash) => `Bearer ${hash}`],
    ['white-space', (hash) => `${hash}\r`],
    ['bom', (hash) => `\uFEFF${hash}`],
    ['key-repeated', (hash) => `COMFYUI_BEARER_TOKEN=${hash}`],
    ['dollar-doubled', (hash) => hash.replaceAll('$', '$$$$')],
  ];
  it.each(damages)('%s', (hint, damage) => {
    fc.assert(
      fc.property(hashes, fc.nat(), (hash, at) => {
        expect(hintOf(damage(hash, at), hash)).toBe(hint);
      }),
    );
  });

  it('interpolated by Compose, with and without knowing the hash', () => {
    fc.assert(
      fc.property(hashes, (hash) => {
        const left = asComposeInterpolates(hash);
        fc.pre(left !== hash);
        expect(hintOf(left, hash)).toBe('interpolated');
        expect(hintOf(left)).toBe('interpolated');
      }),
    );
  });

  it('expanded by a shell', () => {
    fc.assert(
      fc.property(hashes, (hash) => {
        expect(hintOf(asShellExpands(hash), hash)).toBe('shell-expanded');
      }),
    );
  });

  it('never blames truncation for a character lost inside', () => {
    fc.assert(
      fc.property(hashes, fc.integer({ min: 30, max: 58 }), (hash, at) => {
        const text = hash.slice(0, at) + hash.slice(at + 1);
        fc.pre(!hash.startsWith(text));
        expect(hintOf(text, hash)).toBe('other');
      }),
    );
  });

  it('survives any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.array(hashes, { maxLength: 3 }), (text, known) => {
        const { length } = diagnoseBearer(
          text,
          known.map((one) => new Secret(one)),
        );
        expect(length).toBe(text.length);
      }),
    );
  });
});
