import fc from 'fast-check';

const part = fc.constantFrom(
  ...[
    'a',
    'b1',
    'é',
    '=',
    "'",
    '"',
    '`',
    '$',
    '\\',
    '#',
    ' ',
    '\t',
    ':',
    '\r',
    '\ufeff',
    '\\n',
    '{',
    '}',
    'export ',
  ],
);
const raw = fc.array(part, { maxLength: 6 }).map((parts) => parts.join(''));
const end = fc.constantFrom('\n', '\n', '\n', '\r\n', '\n\n', '\r');

/** Texts that have little to do with a `.env`. */
export const wildTexts = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc.array(raw).map((all) => all.join('\n')),
);

/** Texts as a `.env` is, with every oddity that readers.md names. */
export const envTexts = fc
  .tuple(
    fc.constantFrom('', '', '\ufeff'),
    fc.array(
      fc.tuple(
        fc.oneof(
          fc.tuple(
            fc.constantFrom('', '', 'export ', '  '),
            fc.constantFrom('A', 'B', 'K', 'KEY_2'),
            fc.constantFrom('=', ' = '),
            raw,
          ),
          fc.tuple(
            fc.constantFrom('A', 'K', 'L'),
            fc.constantFrom('='),
            fc.constantFrom("'x\ny'", '"x\nK=inside\ny"', "'v' # c", 'v # c'),
          ),
          fc.constantFrom(['# comment'], ["# don't"], ['garbage'], ['']),
        ),
        end,
      ),
      { maxLength: 8 },
    ),
    fc.boolean(),
  )
  .map(([mark, lines, closed]) => {
    const text = mark + lines.map(([parts, stop]) => parts.join('') + stop).join('');
    return closed ? text : text.replace(/[\r\n]+$/, '');
  });

/** A `.env` without oddities: every reader takes it. */
export const tidyTexts = fc
  .array(
    fc.oneof(
      fc
        .tuple(fc.constantFrom('A', 'B', 'C', 'D_1'), fc.constantFrom('1', "'x y'", 'abc', '"x"', ''))
        .map((pair) => pair.join('=')),
      fc.constantFrom('# comment', "# don't", ''),
    ),
    { maxLength: 10 },
  )
  .map((lines) => lines.map((line) => `${line}\n`).join(''));
