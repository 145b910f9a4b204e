import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { lastWords } from '../../../src/service/said.ts';

const SECRET = `canary-${crypto.randomUUID()}`;
const hide = (text: string) => text.replaceAll(SECRET, '[secret]');
const words = (...lines: string[]) => lastWords(`${lines.join('\n')}\n`, { hide });

describe('the last words of a program', () => {
  it('of Compose v2 leave its warnings out, which name pieces of hashes', () => {
    const warning = `time="2026-03-01T12:00:00Z" level=warning msg="The \\"N9qo8uLOickgx2\\" variable is not set."`;
    expect(
      words(warning, ' Container a-1  Recreate', 'Error response from daemon: no such image', warning),
    ).toBe('Error response from daemon: no such image');
    expect(words(warning)).toBe('');
  });

  it('of Compose v1 are the reason, not that there was one', () => {
    expect(
      words(
        'WARNING: The N9qo8uLOickgx2 variable is not set. Defaulting to a blank string.',
        'Recreating a_1 ... \r\x1b[1A\x1b[2K\x1b[31mERROR: for a  Cannot start service a: no such device\x1b[0m',
        'ERROR: Encountered errors while bringing up the project.',
      ),
    ).toBe('ERROR: for a  Cannot start service a: no such device');
  });

  it('are no line that quotes the file', () => {
    expect(words('invalid interpolation format for a.b.', '${x')).toBe(
      'invalid interpolation format for a.b.',
    );
  });

  const quotation = 'pa55-word';
  it.each([
    [
      `unexpected character "-" in variable name "${quotation}-x"`,
      'unexpected character "…" in variable name "…"',
    ],
    [`in variable name "a\\"${quotation}\\""`, 'in variable name "…"'],
    [`unterminated quoted value "${quotation} and more`, 'unterminated quoted value "…"'],
    [`unterminated quoted value "${quotation}\\`, 'unterminated quoted value "…"'],
    [`unterminated quoted value '${quotation} and more`, "unterminated quoted value '…'"],
    [`can't parse '${quotation} it's' of \`${quotation}\``, "can't parse '…' of `…`"],
    [`of ${quotation}", and "${quotation}" is odd`, '…, and "…" is odd'],
    [`env=${quotation}" is odd`, '… is odd'],
    [`name="${quotation}" is odd`, 'name="…" is odd'],
    ["it wasn’t there, nor the operator's file", "it wasn’t there, nor the operator's file"],
    ['an empty "" is odd', 'an empty "" is odd'],
  ])('quote nothing: %#', (line, shown) => {
    expect(words(line)).toBe(shown);
    expect(words(`a first line`, line)).not.toContain(quotation);
  });

  it('quote a path that is there, and what the layout names', () => {
    const names = ['comfyui-qwen', '/nowhere/compose.yml'];
    const line = `"${process.execPath}" of 'comfyui-qwen' in "/nowhere/compose.yml" is not "/nowhere/else"`;
    expect(lastWords(line, { hide, names })).toBe(line.replace('/nowhere/else', '…'));
  });

  it('are of bounded length', () => {
    expect(words(`x ${'word '.repeat(10_000)}`).length).toBeLessThanOrEqual(201);
    expect(words('an error', `${'x'.repeat(20_000)} and so on`)).toBe('');
  });

  it('hold no secret and no control character, however it is cut up', () => {
    const noise = fc.constantFrom(
      '\x1b[31m',
      '\x1b]0;t\x07',
      '\x1bM',
      '\x00',
      '\x7f',
      '\u200b',
      '\u202e',
      '\x9b',
    );
    const piece = fc.oneof(fc.string({ maxLength: 12 }), noise, fc.constantFrom('\n', '\r', ' a word '));
    const cuts = fc.array(fc.tuple(fc.nat(SECRET.length), noise), { maxLength: 4 });
    fc.assert(
      fc.property(fc.array(piece), fc.array(piece), cuts, (before, after, places) => {
        let secret = SECRET;
        for (const [at, cut] of places.sort((a, b) => b[0] - a[0])) {
          secret = secret.slice(0, at) + cut + secret.slice(at);
        }
        const shown = lastWords(before.join('') + secret + after.join(''), { hide });
        for (const part of [SECRET.slice(0, 12), SECRET.slice(12, 24), SECRET.slice(-12)]) {
          expect(shown).not.toContain(part);
        }
        expect(shown).not.toMatch(/[\p{Cc}\p{Cf}]/u);
      }),
      { numRuns: 2000 },
    );
  });
});
