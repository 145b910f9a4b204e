import {
  BOM,
  type EnvReader,
  GO_SPACE,
  LineCounter,
  outcome,
  type ReadOutcome,
  type ReadValue,
  Rejection,
} from './reader.ts';
import type { Substituted } from './template.ts';
import { substituteStrictly, substituteUpperCase } from './template-early.ts';

/** What differs between the parsers of compose-go 1.1 (Compose 2.2) and 1.5 (Compose 2.10). */
interface Dialect {
  /** Key characters beside letters and digits. */
  keyExtras: string;
  /** Whether `\$` in double quotes becomes `$$` for the interpolation. */
  escapesDollar: boolean;
  substitute(text: string, lookup: (name: string) => string | undefined, offset: number): Substituted;
}

const SPACE = new RegExp(`[${GO_SPACE}]*`, 'y');
const TRAILING_SPACE = new RegExp(`[${GO_SPACE}]+$`);
const BLANKS = /[\t\v\f\r \x85\xa0]*/y;
const LETTER = /[\p{L}\p{N}\t\v\f\r \x85\xa0]/u;

function skip(pattern: RegExp, text: string, from: number): number {
  pattern.lastIndex = from;
  pattern.test(text);
  return pattern.lastIndex;
}

/** Reads as compose-go's `dotenv/parser.go` did before 1.16, with an empty environment. */
function read(text: string, dialect: Dialect): ReadOutcome {
  return outcome(text, () => {
    if (text.startsWith(BOM)) throw new Rejection(0, 'bad-key');
    const values = new Map<string, ReadValue>();
    const lines = new LineCounter(text);
    const lookup = (name: string) => values.get(name)?.value;
    let at = nextStatement(text, 0);
    while (at < text.length) {
      const line = lines.at(at);
      const key = readKey(text, at, dialect);
      if (key.inherited) {
        if (!values.has(key.name)) values.set(key.name, { value: '', unstable: 'inherited', line });
        at = nextStatement(text, key.end);
        continue;
      }
      const value = readValue(text, key.end, dialect, lookup);
      values.set(key.name, { value: value.text, ...(value.expanded && { unstable: 'expanded' }), line });
      at = nextStatement(text, value.end);
    }
    return values;
  });
}

function nextStatement(text: string, from: number): number {
  let at = skip(SPACE, text, from);
  while (text[at] === '#') {
    const end = text.indexOf('\n', at);
    if (end < 0) return text.length;
    at = skip(SPACE, text, end);
  }
  return at;
}

function readKey(text: string, from: number, dialect: Dialect) {
  // No blank is asked for behind `export`: `exportK=v` sets K.
  const start = skip(BLANKS, text, text.startsWith('export', from) ? from + 'export'.length : from);
  if (start >= text.length) throw new Rejection(from, 'missing-key');
  let stop = start;
  while (stop < text.length && isKeyCharacter(text, stop, dialect)) stop += 1;
  if (stop >= text.length) return { name: '', inherited: false, end: start };
  const separator = text[stop] ?? '';
  if (!'=:\n'.includes(separator)) throw new Rejection(from, 'bad-key');
  const name = text.slice(start, stop).replace(TRAILING_SPACE, '');
  if (name.includes(' ')) throw new Rejection(from, 'bad-key');
  return { name, inherited: separator === '\n', end: skip(BLANKS, text, stop + 1) };
}

// The key was looked at byte by byte, each byte taken for a Latin-1 character.
function isKeyCharacter(text: string, at: number, dialect: Dialect): boolean {
  const character = text.charAt(at);
  if (character <= '\x7f') return LETTER.test(character) || dialect.keyExtras.includes(character);
  const point = text.codePointAt(at) ?? 0;
  const low = point >= 0xdc00 && point <= 0xdfff;
  return (
    low || Buffer.from(String.fromCodePoint(point)).every((byte) => LETTER.test(String.fromCharCode(byte)))
  );
}

function readValue(
  text: string,
  from: number,
  dialect: Dialect,
  lookup: (name: string) => string | undefined,
) {
  const quote = text[from];
  if (quote !== "'" && quote !== '"') {
    const newline = text.indexOf('\n', from);
    const end = newline < 0 ? text.length : newline;
    const bare = (text.slice(from, end).split('#', 1)[0] ?? '').replace(TRAILING_SPACE, '');
    return { ...dialect.substitute(bare, lookup, from), end };
  }
  let close = text.indexOf(quote, from + 1);
  while (close >= 0 && text[close - 1] === '\\') close = text.indexOf(quote, close + 1);
  if (close < 0) throw new Rejection(from, 'unterminated-quote');
  const inner = text.slice(from, close).replace(quote === '"' ? /^"+|"+$/g : /^'+|'+$/g, '');
  const value: Substituted =
    quote === '"'
      ? dialect.substitute(decodeEscapes(inner, dialect), lookup, from)
      : { text: inner, expanded: false };
  return { ...value, end: close + 1 };
}

function decodeEscapes(text: string, dialect: Dialect): string {
  const codes = text.replace(/\\([^\n])/g, (pair, code) => {
    if (code === 'n') return '\n';
    if (code === 'r') return '\r';
    return code === '$' && dialect.escapesDollar ? '$$' : pair;
  });
  return codes.replace(/\\([^$])/gu, '$1');
}

/** Docker Compose 2.2 to 2.19. */
export const earlyComposeReaders: readonly EnvReader[] = [
  {
    id: 'compose 2.10 to 2.19',
    name: 'compose',
    from: '2.10',
    read: (text) => read(text, { keyExtras: '_.', escapesDollar: true, substitute: substituteStrictly }),
  },
  {
    id: 'compose 2.2 to 2.9',
    name: 'compose',
    from: '2.2',
    read: (text) => read(text, { keyExtras: '_', escapesDollar: false, substitute: substituteUpperCase }),
  },
];
