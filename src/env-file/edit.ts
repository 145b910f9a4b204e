import type { ReaderSpec } from '../model/layout.ts';
import { EnvDocument, type Statement } from './document.ts';
import { type EnvReader, type ReadFault, type ReadOutcome, readersFor } from './readers/index.ts';
import { chooseSpelling, type SpellingReason } from './spelling.ts';

/** One key to be set, or with `undefined` removed. */
export interface EnvEdit {
  key: string;
  value: string | undefined;
  /** Comment lines, each beginning with `#`, put above a key that is new. */
  comment?: readonly string[];
}

export type EditReason =
  | SpellingReason
  | ReadFault
  | 'unterminated-above'
  | 'neighbour-changed'
  | 'nul-in-file';

/** Why nothing is written. `key` is the edited key, or the neighbour that would read differently. */
export interface EditRefusal {
  key?: string;
  /** The reader's id; `*` where it concerns all. */
  reader: string;
  reason: EditReason;
  character?: string;
  line?: number;
}

export type EditNote =
  | { note: 'comment-moved' | 'comment-dropped' | 'export-removed' | 'reference-follows'; key: string }
  | { note: 'bom-removed' | 'line-ends-converted' };

export type EditResult =
  | { ok: true; text: string; changed: string[]; removedDuplicates: string[]; notes: EditNote[] }
  | { ok: false; refusals: EditRefusal[] };

/**
 * Sets and removes keys so that every reader receives the values meant and all other keys as before; keys that
 * are right already are not touched. A new key goes behind the last of `siblings` that is there, else to the end.
 * Refuses, naming reader and reason, and then changes nothing. Source of the rules: readers.md §7.
 */
export function editEnv(
  text: string,
  edits: readonly EnvEdit[],
  readers: readonly ReaderSpec[],
  siblings: readonly string[],
): EditResult {
  const models = readers.flatMap(readersFor);
  const nul = text.indexOf('\0');
  if (nul >= 0)
    return refuse([{ reader: '*', reason: 'nul-in-file', line: EnvDocument.parse(text).lineAt(nul) }]);
  const before = models.map((model) => model.read(text));
  const document = EnvDocument.parse(text);
  const rewritten = linesOf(document, edits);
  const rejected = models.flatMap((model, at): EditRefusal[] => {
    const old = before[at];
    // A line that is about to be rewritten may be what the program gives up on: the new text will tell.
    if (old === undefined || old.ok || rewritten.has(old.line) || hasNewer(models, at)) return [];
    return [{ reader: model.id, reason: old.reason, line: old.line }];
  });
  if (rejected.length > 0) return refuse(rejected);

  const pending = edits.filter((edit) => !isDone(document, edit, before));
  const refusals: EditRefusal[] = [];
  const removedDuplicates: string[] = [];
  const notes: EditNote[] = [];
  for (const edit of pending) {
    const refusal = apply(document, edit, models, siblings, { removedDuplicates, notes });
    if (refusal !== undefined) refusals.push(refusal);
  }
  if (refusals.length > 0) return refuse(refusals);

  const changed = pending.map((edit) => edit.key);
  if (changed.length === 0) return { ok: true, text, changed, removedDuplicates, notes };
  const edited = document.toString();
  const faults = models.flatMap((model, at) => {
    const [old, now] = [before[at], model.read(edited)];
    return old?.ok === false && !now.ok && hasNewer(models, at) ? [] : compare(model, old, now, pending);
  });
  return faults.length > 0 ? refuse(faults) : { ok: true, text: edited, changed, removedDuplicates, notes };
}

/** The first lines of all statements that the edits touch. */
function linesOf(document: EnvDocument, edits: readonly EnvEdit[]): Set<number> {
  const statements = edits.flatMap((edit) => document.statements(edit.key));
  return new Set(statements.map((statement) => document.lineAt(statement.start)));
}

/**
 * Whether a newer version of the same program is among the models. An older one that gives up on the file as it
 * stands cannot be the one that is deployed: it is heard only where it reads the file.
 */
function hasNewer(models: readonly EnvReader[], at: number): boolean {
  return models.slice(0, at).some((model) => model.name === models[at]?.name);
}

function refuse(refusals: EditRefusal[]): EditResult {
  return { ok: false, refusals };
}

function isDone(document: EnvDocument, edit: EnvEdit, outcomes: readonly ReadOutcome[]): boolean {
  const statements = document.statements(edit.key);
  if (edit.value === undefined) return statements.length === 0;
  if (statements.length !== 1) return false;
  return outcomes.every((outcome) => {
    const got = outcome.ok ? outcome.values.get(edit.key) : undefined;
    return got !== undefined && got.value === edit.value && got.unstable === undefined;
  });
}

function apply(
  document: EnvDocument,
  edit: EnvEdit,
  models: readonly EnvReader[],
  siblings: readonly string[],
  report: { removedDuplicates: string[]; notes: EditNote[] },
): EditRefusal | undefined {
  const { key, value } = edit;
  const statements = document.statements(key);
  const last = statements.at(-1);
  const chosen = value === undefined ? undefined : chooseSpelling(key, value, models);
  if (chosen !== undefined && !chosen.ok) return chosen.refusal;
  const target = last ?? lastOf(document, siblings);
  const { unclosed } = document;
  if (unclosed !== undefined && (target === undefined || document.lineAt(target.start) > unclosed)) {
    return { key, reader: '*', reason: 'unterminated-above', line: unclosed };
  }
  for (const statement of statements) {
    if (statement !== last || chosen === undefined) document.remove(statement);
  }
  if (statements.length > 1) report.removedDuplicates.push(key);
  if (chosen === undefined) return undefined;
  const assignment = `${key}=${chosen.spelling}`;
  if (last === undefined) document.insertAfter(target, [...(edit.comment ?? []), assignment]);
  else document.replace(last, assignment);
  return undefined;
}

function lastOf(document: EnvDocument, keys: readonly string[]): Statement | undefined {
  return keys
    .flatMap((key) => document.statements(key).slice(-1))
    .toSorted((a, b) => a.start - b.start)
    .at(-1);
}

/** What one reader would get wrong in the new text. */
function compare(
  model: EnvReader,
  old: ReadOutcome | undefined,
  now: ReadOutcome,
  edits: readonly EnvEdit[],
): EditRefusal[] {
  if (!now.ok) return [{ reader: model.id, reason: now.reason, line: now.line }];
  const wanted = new Map(edits.map((edit) => [edit.key, edit.value]));
  // A program that gave up on the old text has no neighbours to compare.
  const keys = old?.ok
    ? new Set([...old.values.keys(), ...now.values.keys(), ...wanted.keys()])
    : wanted.keys();
  return [...keys].flatMap((key): EditRefusal[] => {
    const got = now.values.get(key);
    const expected = wanted.has(key) || !old?.ok ? wanted.get(key) : old.values.get(key)?.value;
    if (got?.value === expected) return [];
    return [{ key, reader: model.id, reason: wanted.has(key) ? 'unspellable' : 'neighbour-changed' }];
  });
}
