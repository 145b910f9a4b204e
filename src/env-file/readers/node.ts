import { type EnvReader, LineCounter, type ReadOutcome, type ReadValue } from './reader.ts';

/** What Node trims from keys and values: 20 the space alone. */
const SPACE = ' ';
const BLANKS = ' \t\n';
const EXPORT = 'export ';

/** A value as it was found, and where reading goes on. */
interface Found {
  text: string;
  end: number;
}

/** Reads as Node 22 and later do (`--env-file`, `util.parseEnv`). Source: nodejs/node src/node_dotenv.cc. */
function read22(text: string): ReadOutcome {
  const source = trimEnd(text.replaceAll('\r', ''), BLANKS);
  const lines = new LineCounter(source);
  const values = new Map<string, ReadValue>();
  let at = skip(source, 0, BLANKS);
  while (at < source.length) {
    const equals = source.indexOf('=', at);
    const newline = lineStop(source, at);
    if (source[at] === '#' || source[at] === '\n') {
      at = newline + 1;
      continue;
    }
    if (equals < 0 || equals > newline) {
      at = skip(source, newline + 1, BLANKS);
      continue;
    }
    const key = trim(source.slice(at, equals), BLANKS);
    const line = lines.at(at);
    at = equals + 1;
    if (at === newline) {
      // An empty value is stored under the key as it stands, `export` and all.
      values.set(key, { value: '', line });
      continue;
    }
    // Blanks behind the sign are skipped, the line end among them: the next line may become the value.
    at = skip(source, at, BLANKS);
    if (key === '') continue;
    const quoted = readQuoted(source, at);
    const found = quoted ?? readBare(source, at, BLANKS);
    const name = key.startsWith(EXPORT) ? trim(key.slice(EXPORT.length), BLANKS) : key;
    values.set(name, { value: found.text, line });
    at = quoted === undefined ? skip(source, found.end + 1, BLANKS) : found.end + 1;
  }
  return { ok: true, values };
}

/** Reads as Node 20 does: a line without `=` becomes a part of the next key. */
function read20(text: string): ReadOutcome {
  const source = trimEnd(text.replaceAll('\r', ''), SPACE);
  const lines = new LineCounter(source);
  const values = new Map<string, ReadValue>();
  let at = skip(source, 0, SPACE);
  while (at < source.length) {
    const newline = lineStop(source, at);
    if ((source[at] === '#' || source[at] === '\n') && newline < source.length) {
      at = newline + 1;
      continue;
    }
    const equals = source.indexOf('=', at);
    if (equals < 0) break;
    const key = trim(source.slice(at, equals), SPACE);
    if (key === '') break;
    const line = lines.at(skip(source, at, BLANKS));
    at = skip(source, equals + 1, SPACE);
    // A quote that nothing closes in a last line without a line end: the key is lost.
    const open = isQuote(source.charAt(at)) && source.indexOf(source.charAt(at), at + 1) < 0;
    if (open && lineStop(source, at) === source.length) continue;
    const found = readQuoted(source, at) ?? readBare(source, at, SPACE);
    values.set(key.startsWith(EXPORT) ? key.slice(EXPORT.length) : key, { value: found.text, line });
    at = found.end;
  }
  return { ok: true, values };
}

function isQuote(character: string): boolean {
  return character === "'" || character === '"' || character === '`';
}

// The first quote of the same kind closes; what stands behind it on the line is dropped.
function readQuoted(text: string, from: number): Found | undefined {
  const quote = text.charAt(from);
  if (!isQuote(quote)) return undefined;
  const close = text.indexOf(quote, from + 1);
  if (close < 0) return { text: text.slice(from, lineStop(text, from)), end: lineStop(text, from) };
  const inner = text.slice(from + 1, close);
  return { text: quote === '"' ? inner.replaceAll('\\n', '\n') : inner, end: lineStop(text, close + 1) };
}

function readBare(text: string, from: number, blanks: string): Found {
  const end = lineStop(text, from);
  const line = text.slice(from, end);
  const hash = line.indexOf('#');
  return { text: trim(hash < 0 ? line : line.slice(0, hash), blanks), end };
}

function lineStop(text: string, from: number): number {
  const newline = text.indexOf('\n', from);
  return newline < 0 ? text.length : newline;
}

function skip(text: string, from: number, blanks: string): number {
  let at = from;
  while (at < text.length && blanks.includes(text.charAt(at))) at += 1;
  return at;
}

function trimEnd(text: string, blanks: string): string {
  let end = text.length;
  while (end > 0 && blanks.includes(text.charAt(end - 1))) end -= 1;
  return text.slice(0, end);
}

function trim(text: string, blanks: string): string {
  return trimEnd(text.slice(skip(text, 0, blanks)), blanks);
}

export const nodeReaders: readonly EnvReader[] = [
  { id: 'node 22+', name: 'node', from: '22', read: read22 },
  { id: 'node 20', name: 'node', from: '20', read: read20 },
];
