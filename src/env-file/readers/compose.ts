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
import { type Substituted, substitute } from './template.ts';

/** What differs between the versions of compose-go's parser since 1.16. */
interface Dialect {
  /** `\'` in single quotes gives a quote: since Compose 2.24; before, the backslash stayed. */
  unescapesQuote: boolean;
  /** A line break may follow `export`: until Compose 2.24. */
  exportSpansLines: boolean;
}

const SPACE = new RegExp(`[${GO_SPACE}]*`, 'y');
const TRAILING_SPACE = new RegExp(`[${GO_SPACE}]+$`);
const BLANKS = /[\t\v\f\r \x85\xa0]*/y;
const EXPORT = /export[\t\n\f\r ]+/y;
const KEY = /[\t\v\f\r \x85\xa0_.\-[\]\p{L}\p{N}]*/uy;
const ESCAPE = /\\(?:[abcfnrtv$"\\]|0[0-9]{0,3})/g;
const CONTROLS: Record<string, string> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '"': '"',
  '\\': '\\',
};

/** Where a sticky pattern that may match nothing ends. */
function skip(pattern: RegExp, text: string, from: number): number {
  pattern.lastIndex = from;
  pattern.test(text);
  return pattern.lastIndex;
}

/** Reads as compose-go's `dotenv/parser.go` does since 1.16, with an empty environment. */
function read(text: string, dialect: Dialect): ReadOutcome {
  return outcome(text, () => {
    const values = new Map<string, ReadValue>();
    const lines = new LineCounter(text);
    const lookup = (name: string) => {
      const known = values.get(name);
      return known === undefined || known.unstable === 'inherited' ? undefined : known.value;
    };
    let at = nextStatement(text, text.startsWith(BOM) ? 1 : 0);
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
  let start = from;
  const exported = skip(EXPORT, text, from);
  if (exported > from)
    start = dialect.exportSpansLines ? exported : skip(BLANKS, text, from + 'export'.length);
  if (start >= text.length) throw new Rejection(from, 'missing-key');
  const stop = skip(KEY, text, start);
  // A last line without `=` and without a line end becomes the value of a variable without a name.
  if (stop >= text.length) return { name: '', inherited: false, end: skip(BLANKS, text, start) };
  const separator = text[stop] ?? '';
  if (!'=:\n'.includes(separator)) throw new Rejection(from, 'bad-key');
  const name = text.slice(start, stop).replace(TRAILING_SPACE, '');
  if (name.includes(' ')) throw new Rejection(from, 'bad-key');
  return { name, inherited: separator === '\n', end: skip(BLANKS, text, stop + 1) };
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
    const line = text.slice(from, end);
    const comment = line.indexOf(' #');
    const bare = (comment < 0 ? line : line.slice(0, comment)).replace(TRAILING_SPACE, '');
    return { ...substitute(bare, lookup, from), end: Math.min(end + 1, text.length) };
  }
  const close = closingQuote(text, from, quote);
  const raw = text.slice(from + 1, close);
  const inner = dialect.unescapesQuote ? dropQuoteEscapes(raw, quote) : raw;
  const value: Substituted =
    quote === '"' ? substitute(expandEscapes(inner), lookup, from) : { text: inner, expanded: false };
  return { ...value, end: close + 1 };
}

function closingQuote(text: string, from: number, quote: string): number {
  let at = from + 1;
  for (;;) {
    const close = text.indexOf(quote, at);
    if (close < 0) throw new Rejection(from, 'unterminated-quote');
    let backslashes = 0;
    while (close - 1 - backslashes > from && text[close - 1 - backslashes] === '\\') backslashes += 1;
    if (backslashes % 2 === 0) return close;
    at = close + 1;
  }
}

// Only the backslash before the quote itself goes away; pairs before it stay.
function dropQuoteEscapes(raw: string, quote: string): string {
  if (!raw.includes('\\')) return raw;
  return raw.replace(/\\([\s\S])/g, (pair, next) => (next === quote ? quote : pair));
}

function expandEscapes(text: string): string {
  if (!text.includes('\\')) return text;
  return text.replace(ESCAPE, (match) => {
    const code = match.slice(1);
    if (code === '$') return '$$';
    if (!code.startsWith('0')) return CONTROLS[code] ?? match;
    const octal = code.slice(1);
    if (!/^[0-7]{3}$/.test(octal)) return match.replace('\\0', '\\');
    const value = Number.parseInt(octal, 8);
    return value > 255 ? match.replace('\\0', '\\') : String.fromCharCode(value);
  });
}

/** Docker Compose 2.20 and later: `.env`, `--env-file` and `env_file:` in its default format. */
export const composeReaders: readonly EnvReader[] = [
  {
    id: 'compose 2.24+',
    name: 'compose',
    from: '2.24',
    read: (text) => read(text, { unescapesQuote: true, exportSpansLines: false }),
  },
  {
    id: 'compose 2.20 to 2.23',
    name: 'compose',
    from: '2.20',
    read: (text) => read(text, { unescapesQuote: false, exportSpansLines: true }),
  },
];
