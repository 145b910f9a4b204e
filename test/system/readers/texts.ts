// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the files under test are full of them
import fc from 'fast-check';

/** The only names that the generated files assign: an oracle has to know whom to ask for. */
export const KEYS = ['A', 'B', 'K', 'TOKEN_1'] as const;

const word = fc.constantFrom(
  'v',
  'abc',
  '2b',
  '12',
  'N9qo8',
  'é',
  '',
  'a',
  'x.y/z',
  '%',
  '@',
  '=',
  '+',
  '^',
  ',',
  '-',
  '!',
);
const mark = fc.constantFrom(
  ...[
    "'",
    '"',
    '\\',
    '$',
    '#',
    ' #',
    ' ',
    '\t',
    ':',
    '~',
    '*',
    '?',
    '[',
    ']',
    '{',
    '}',
    '$$',
    '${',
    "\\'",
    '\\"',
  ],
  ...[
    '\\n',
    '\\$',
    '$A',
    '${A}',
    '${B:-d}',
    '${B-d}',
    '${A:+s}',
    '$2',
    '\\\\',
    '$.',
    '\r',
    '\u00a0',
    '\u0085',
    '\u2028',
  ],
);

/** What only programs that run nothing may be given. */
const unsafe = fc.constantFrom('`', ';', '&', '|', '(', ')', '<', '>', '$(', '\ufeff', 'export', '\v', '\f');

/** Text as a person might type it behind `KEY=`, mistakes included. */
const value = (extra: fc.Arbitrary<string>) => {
  const raw = fc.array(fc.oneof({ weight: 4, arbitrary: word }, { weight: 4, arbitrary: mark }, extra), {
    maxLength: 6,
  });
  const inner = raw.map((parts) => parts.join(''));
  return fc.oneof(
    inner,
    inner.map((text) => `'${text}'`),
    inner.map((text) => `"${text}"`),
    fc.tuple(inner, inner).map(([a, b]) => `'${a}\n${b}'`),
    fc.tuple(inner, inner).map(([a, b]) => `"${a}\n${b}"`),
    inner.map((text) => `'${text}' # note`),
    inner.map((text) => `${text} # note`),
  );
};

const sign = fc.constantFrom('=', '=', '=', '=', ' = ', '= ', '=\t', ' =', ': ');
const lead = fc.constantFrom('', '', '', '', '', 'export ', ' ', '\t', 'export  ');
const end = fc.constantFrom('\n', '\n', '\n', '\n', '\r\n', '\n\n', '\n \n', ' \n');

function file(extra: fc.Arbitrary<string>, odd: string[]): fc.Arbitrary<string> {
  const assignment = fc
    .tuple(lead, fc.constantFrom(...KEYS), sign, value(extra))
    .map((parts) => parts.join(''));
  const other = fc.constantFrom('# a comment', "# don't", '  # indented "', '#K=old', '', ...odd);
  const line = fc.oneof({ weight: 5, arbitrary: assignment }, { weight: 1, arbitrary: other });
  return fc
    .tuple(fc.array(fc.tuple(line, end), { minLength: 1, maxLength: 4 }), fc.boolean())
    .map(([lines, open]) => {
      const text = lines.map((parts) => parts.join('')).join('');
      return open ? text.replace(/\r?\n$/, '') : text;
    });
}

/** Files for programs that only read. */
export const texts = file(unsafe, [
  'garbage here',
  'K',
  '; note',
  'export A',
  '=v',
  "'K'=v",
  'A B=1',
  'K+=b',
  '\ufeff',
]);

/** Files for shells: nothing in them can do harm where no program is on the path. */
export const shellTexts = file(fc.constantFrom('v', '$', "'"), [
  'export A',
  'v w',
  'A=1 B=2',
  'A=1 B=$A',
  'A=1; B=2',
]);
