import type { ReaderName } from '../model/layout.ts';
import { EnvDocument } from './document.ts';
import type { EnvReader } from './readers/index.ts';

/** Why there is no spelling for a value, or none that this reader reads. */
export type SpellingReason =
  | 'bad-key'
  | 'nul'
  | 'not-unicode'
  | 'too-long'
  | 'carriage-return'
  | 'line-break'
  | 'quotes-kept'
  | 'outer-quotes'
  | 'interpolation'
  | 'backslash'
  | 'quote-mix'
  | 'unspellable';

export interface SpellingRefusal {
  key: string;
  reader: string;
  reason: SpellingReason;
  /** The character that makes the trouble; never a part of the value beyond that. */
  character?: string;
}

export type Spelling = { ok: true; spelling: string } | { ok: false; refusal: SpellingRefusal };

const KEY = /^[A-Za-z_][A-Za-z0-9_]*$/;
/** readers.md §4: right without quotes in every reader. */
const INERT = /^(?:[A-Za-z0-9_][A-Za-z0-9_.,:/@%+=^-]*)?$/;
/** Linux hands no single environment string of this size or more to a program (MAX_ARG_STRLEN). */
const MAX_BYTES = 128 * 1024;
/** Programs that take quotes for a part of the value. */
const RAW: readonly ReaderName[] = ['docker-run', 'kubectl'];

/** Fixed order, so that the same value is always written the same way (readers.md §5). */
const CANDIDATES: readonly ((value: string) => string | undefined)[] = [
  (value) => (INERT.test(value) ? value : undefined),
  (value) => `'${value}'`,
  (value) => `"${value}"`,
  (value) => (/^(['"`]).*\1$/s.test(value) ? undefined : value),
  (value) => `"${value.replace(/[\\"$`]/g, '\\$&')}"`,
  (value) => `"${escapeLines(value.replace(/[\\"$`]/g, '\\$&'))}"`,
  (value) => `"${escapeLines(value.replace(/[\\"$]/g, '\\$&'))}"`,
  (value) => `'${value.replace(/[\\']/g, '\\$&')}'`,
  (value) => `'${value.replaceAll("'", "'\\''")}'`,
  (value) => `\`${value}\``,
];

// Lines before and after that show whether a spelling swallows, or is swallowed by, its neighbours.
const SURROUNDINGS: readonly (readonly [before: string, after: string])[] = [
  ['', ''],
  ['A_=1\n', '\nZ_=9\n'],
  ["# it's\nA_='x'\n", `\n# "don't" \`\nY_="y"\nZ_='z'\n`],
];

/**
 * The spelling of a value that all readers read alike, also among lines with quotes; the first of a fixed list.
 * Or who reads none of them, and why (readers.md §5, §6).
 */
export function chooseSpelling(key: string, value: string, readers: readonly EnvReader[]): Spelling {
  const impossible = impossibility(key, value);
  if (impossible !== undefined) return { ok: false, refusal: { key, reader: '*', ...impossible } };
  for (const candidate of CANDIDATES) {
    const spelling = candidate(value);
    if (spelling === undefined || !isClosed(spelling)) continue;
    if (readers.every((reader) => reads(reader, key, spelling, value))) {
      return { ok: true, spelling };
    }
  }
  return { ok: false, refusal: { key, ...blame(key, value, readers) } };
}

/** Whether our own lexer, and so the next edit, sees where the value ends. */
function isClosed(spelling: string): boolean {
  return EnvDocument.parse(`K=${spelling}\n`).unclosed === undefined;
}

type Cause = { reason: SpellingReason; character?: string };

function impossibility(key: string, value: string): Cause | undefined {
  if (!KEY.test(key)) return { reason: 'bad-key' };
  if (value.includes('\0')) return { reason: 'nul', character: '\0' };
  if (!value.isWellFormed()) return { reason: 'not-unicode' };
  if (Buffer.byteLength(value) + key.length + 2 > MAX_BYTES) return { reason: 'too-long' };
  return undefined;
}

function reads(reader: EnvReader, key: string, spelling: string, value: string): boolean {
  return SURROUNDINGS.every(([before, after]) => {
    const plain = reader.read(before + after);
    const full = reader.read(`${before}${key}=${spelling}${after || '\n'}`);
    if (!full.ok) return false;
    const got = full.values.get(key);
    if (got === undefined || got.value !== value || got.unstable !== undefined) return false;
    // A reader that cannot read the surroundings alone says nothing about the neighbours.
    if (!plain.ok) return true;
    if (full.values.size !== plain.values.size + 1) return false;
    return [...plain.values].every(([name, known]) => full.values.get(name)?.value === known.value);
  });
}

/** The reader that fails on the best spelling: the first one but bare that most readers read. */
function blame(key: string, value: string, readers: readonly EnvReader[]): { reader: string } & Cause {
  const spellings = [`'${value}'`, `"${value}"`, value];
  const failing = spellings
    .map((spelling) => readers.filter((reader) => !reads(reader, key, spelling, value)))
    .sort((a, b) => a.length - b.length)[0];
  const reader = failing?.[0] ?? readers[0];
  if (reader === undefined) return { reader: '*', reason: 'unspellable' };
  return { reader: reader.id, ...cause(reader, value, readers) };
}

function cause(reader: EnvReader, value: string, readers: readonly EnvReader[]): Cause {
  if (value.includes('\r')) return { reason: 'carriage-return', character: '\r' };
  const raw = readers.find((other) => RAW.includes(other.name));
  if (raw !== undefined && value.includes('\n')) return { reason: 'line-break', character: '\n' };
  if (/^(['"`]).*\1$/s.test(value) && raw !== undefined) {
    return { reason: 'outer-quotes', character: value.charAt(0) };
  }
  if (raw !== undefined) return { reason: 'quotes-kept', ...firstOf(value, /[$\s'"\\`#&;|<>()~!*?{}[\]]/u) };
  if (/\$\{/.test(value) && (reader.name === 'python-dotenv' || reader.name === 'compose-v1')) {
    return { reason: 'interpolation', character: '$' };
  }
  if (value.endsWith('\\') || value.includes('\\\\') || value.includes("\\'")) {
    return { reason: 'backslash', character: '\\' };
  }
  if (value.includes("'")) return { reason: 'quote-mix', character: "'" };
  return { reason: 'unspellable', ...firstOf(value, /[^A-Za-z0-9_]/u) };
}

function firstOf(value: string, pattern: RegExp): { character?: string } {
  const match = pattern.exec(value);
  return match === null ? {} : { character: match[0] };
}

function escapeLines(text: string): string {
  return text.replaceAll('\n', '\\n').replaceAll('\r', '\\r');
}
