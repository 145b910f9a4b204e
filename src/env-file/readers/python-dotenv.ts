import { type EnvReader, LineCounter, type ReadOutcome, type ReadValue } from './reader.ts';

// White space of Python's `\s` on text, for use inside a character class.
const SPACE = '\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000';
const BLANK = SPACE.replace('\\t-\\r', '\\t\\v\\f');

const LEADING = new RegExp(`[${SPACE}]*`, 'y');
const BLANKS = new RegExp(`[${BLANK}]*`, 'y');
const EXPORT = new RegExp(`(?:export[${BLANK}]+)?`, 'y');
const QUOTED_KEY = /'([^']+)'/y;
const BARE_KEY = new RegExp(`([^=#${SPACE}]+)`, 'y');
const EQUALS = new RegExp(`=[${BLANK}]*`, 'y');
const SINGLE = /'((?:\\'|[^'])*)'/y;
const DOUBLE = /"((?:\\"|[^"])*)"/y;
const BARE = /([^\r\n]*)/y;
const COMMENT = new RegExp(`(?:[${BLANK}]*#[^\\r\\n]*)?`, 'y');
const LINE_END = new RegExp(`[${BLANK}]*(?:\\n|$)`, 'y');
const REST = /[^\n]*\n?/y;
const INLINE_COMMENT = new RegExp(`[${SPACE}]+#.*`, 'gs');
const TRAILING = new RegExp(`[${SPACE}]+$`);
const VARIABLE = /\$\{([^}:]*)(?::-([^}]*))?\}/g;
const CONTROLS: Record<string, string> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
};

/** A place in a text that only moves forward; a parse that fails leaves it where it failed. */
class Cursor {
  readonly text: string;
  at = 0;

  constructor(text: string) {
    this.text = text;
  }

  get next(): string {
    return this.text.charAt(this.at);
  }

  /** Moves over a match and gives its group (or nothing); undefined where there is none. */
  take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text);
    if (found === null) return undefined;
    this.at = pattern.lastIndex;
    return found[1] ?? '';
  }
}

/**
 * Reads as python-dotenv does (`parser.py`, `variables.py`) with its default `interpolate=True` and an empty
 * environment. Of a statement that it cannot parse it drops the rest of the line where the parse stopped.
 */
export function readPythonDotenv(text: string): ReadOutcome {
  const cursor = new Cursor(text.replace(/\r\n?/g, '\n'));
  const lines = new LineCounter(cursor.text);
  const values = new Map<string, ReadValue>();
  while (cursor.at < cursor.text.length) {
    cursor.take(LEADING);
    const line = lines.at(cursor.at);
    const binding = cursor.next === '' ? {} : readBinding(cursor);
    if (binding === undefined) cursor.take(REST);
    else if (binding.key !== undefined && binding.value === undefined) values.delete(binding.key);
    else if (binding.key !== undefined)
      values.set(binding.key, { ...resolve(binding.value ?? '', values), line });
  }
  return { ok: true, values };
}

function readBinding(cursor: Cursor): { key?: string; value?: string } | undefined {
  const binding: { key?: string; value?: string } = {};
  cursor.take(EXPORT);
  if (cursor.next !== '#') {
    const key = cursor.take(cursor.next === "'" ? QUOTED_KEY : BARE_KEY);
    if (key === undefined) return undefined;
    binding.key = key;
  }
  cursor.take(BLANKS);
  if (cursor.take(EQUALS) !== undefined) {
    const value = readValue(cursor);
    if (value === undefined) return undefined;
    binding.value = value;
  }
  cursor.take(COMMENT);
  return cursor.take(LINE_END) === undefined ? undefined : binding;
}

function readValue(cursor: Cursor): string | undefined {
  if (cursor.next === "'") return cursor.take(SINGLE)?.replace(/\\([\\'])/g, '$1');
  if (cursor.next === '"') {
    return cursor.take(DOUBLE)?.replace(/\\([\\'"abfnrtv])/g, (_, code) => CONTROLS[code] ?? code);
  }
  return cursor.take(BARE)?.replace(INLINE_COMMENT, '').replace(TRAILING, '');
}

function resolve(value: string, known: ReadonlyMap<string, ReadValue>): Omit<ReadValue, 'line'> {
  if (!value.includes('${')) return { value };
  const text = value.replace(VARIABLE, (_, name: string, fallback: string | undefined) => {
    return known.get(name)?.value ?? fallback ?? '';
  });
  return { value: text, ...(value.search(VARIABLE) >= 0 && { unstable: 'expanded' }) };
}

export const pythonDotenvReaders: readonly EnvReader[] = [
  { id: 'python-dotenv 0.21+', name: 'python-dotenv', from: '0.21', read: readPythonDotenv },
];
