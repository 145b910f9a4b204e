import { decodeEnv } from '../env-file/decode.ts';
import { EnvDocument } from '../env-file/document.ts';
import { type ReadOutcome, readersFor } from '../env-file/readers/index.ts';
import type { Part } from '../model/credential.ts';
import { type Finding, finding, type Place } from '../model/finding.ts';
import { formatReaderSpec, type ReaderName, type ReaderSpec } from '../model/layout.ts';

/** What one reader makes of a whole file. */
interface Reading {
  /** E.g. `compose 2.24+`. */
  id: string;
  name: ReaderName;
  outcome: ReadOutcome;
}

/** One key as it stands in the file and as each reader gets it. */
export interface EnvValue {
  /** What is meant: what all readers agree on, else the text within the outer quotes. */
  meant: string;
  line: number;
  /** How many lines set the key, and whether they differ. */
  count: number;
  differ: boolean;
  /** Readers that get something else than what is meant, newest version of each. */
  mangledBy: { id: string; received: string }[];
}

/** A `.env` as all its readers see it. */
export interface EnvView {
  document: EnvDocument;
  readings: Reading[];
}

/** The text within the outer quotes of what stands behind `=`; without quotes, up to a comment. */
export function withinQuotes(raw: string): string {
  const quote = /^['"`]/.exec(raw)?.[0];
  const close = quote === undefined ? -1 : raw.lastIndexOf(quote);
  if (quote !== undefined && close > 0 && /^\s*(#.*)?$/s.test(raw.slice(close + 1)))
    return raw.slice(1, close);
  return raw.replace(/\s+#.*$/s, '').trim();
}

/** What was read of a file's bytes already: a command looks at the same file several times. */
const views = new WeakMap<Buffer, Map<string, EnvView>>();

/** Reads a file's bytes the way each of its readers does. A finding where no reader could make text of it. */
export function viewEnv(bytes: Buffer, readers: readonly ReaderSpec[], place: Place): EnvView | Finding {
  const decoded = decodeEnv(bytes);
  if (!decoded.ok) {
    return finding('env-file-rejected', {
      location: { ...place, line: decoded.line },
      args: { reader: '*', reason: 'not-unicode' },
    });
  }
  const known = views.get(bytes) ?? new Map<string, EnvView>();
  views.set(bytes, known);
  const name = readers.map(formatReaderSpec).join();
  const view = known.get(name) ?? readEnv(decoded.text, readers);
  known.set(name, view);
  return view;
}

function readEnv(text: string, readers: readonly ReaderSpec[]): EnvView {
  const readings = readers.flatMap((spec) =>
    readersFor(spec).map(({ id, name, read }) => ({ id, name, outcome: read(text) })),
  );
  return { document: EnvDocument.parse(text), readings };
}

/** One finding a program (its newest version that does so) that gives up on the whole file. */
export function rejections(view: EnvView, place: Place): Finding[] {
  const named = new Set<ReaderName>();
  return view.readings.flatMap(({ id, name, outcome }) => {
    if (outcome.ok || named.has(name)) return [];
    named.add(name);
    // Where only older versions give up, the deployment may well run a newer one.
    const newest = view.readings.find((one) => one.name === name)?.id === id;
    return [
      finding('env-file-rejected', {
        severity: newest ? 'error' : 'warning',
        location: { ...place, line: outcome.line },
        args: { reader: id, reason: outcome.reason },
      }),
    ];
  });
}

/** What the readers that accept the file get for a key. */
function received(
  view: EnvView,
  key: string,
): { id: string; name: ReaderName; value: string; sure: boolean }[] {
  return view.readings.flatMap(({ id, name, outcome }) => {
    if (!outcome.ok) return [];
    const got = outcome.values.get(key);
    return [{ id, name, value: got?.value ?? '', sure: got !== undefined && got.unstable === undefined }];
  });
}

/**
 * A key as it stands in the file. `expected`, where it is given, is what is meant: an escaped spelling is no
 * fault where every reader undoes it. Undefined where no line sets the key.
 */
export function envValue(view: EnvView, key: string, expected?: string): EnvValue | undefined {
  const statements = view.document.statements(key);
  const last = statements.at(-1);
  if (last === undefined) return undefined;
  const got = received(view, key);
  const literal = withinQuotes(last.raw);
  const first = got[0];
  const agreed = first?.sure && got.every((one) => one.sure && one.value === first.value);
  const asExpected = expected !== undefined && got.some((one) => one.value === expected);
  const meant = agreed ? first.value : asExpected ? expected : literal;
  const named = new Set<ReaderName>();
  const mangledBy = got.flatMap(({ id, name, value, sure }) => {
    if ((sure && value === meant) || named.has(name)) return [];
    named.add(name);
    return [{ id, received: value }];
  });
  const differ = statements.some((one) => withinQuotes(one.raw) !== literal);
  return { meant, line: view.document.lineAt(last.start), count: statements.length, differ, mangledBy };
}

/** Findings on one key that needs no credential to be judged: duplicates, emptiness, what readers make of it. */
export function keyFindings(key: string, value: EnvValue, part: Part | undefined, place: Place): Finding[] {
  const location: Place = { ...place, key, line: value.line };
  const findings: Finding[] = [];
  if (value.count > 1) {
    const severity = value.differ ? 'error' : 'warning';
    findings.push(finding('key-duplicated', { severity, location, args: { key, count: value.count } }));
  }
  for (const { id, received } of value.mangledBy) {
    const lengths = part === 'bearer' && { receives: received.length, wrote: value.meant.length };
    findings.push(finding('value-mangled', { location, args: { key, reader: id, ...lengths } }));
  }
  return findings;
}
