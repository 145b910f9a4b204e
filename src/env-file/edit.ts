import type { ReaderSpec } from '../model/layout.ts';
import { apply } from './apply.ts';
import { EnvDocument } from './document.ts';
import type { EditNote, EditRefusal, EditReport, EditResult, EnvEdit } from './edit-result.ts';
import { type Normalisation, normalise } from './normalise.ts';
import { type InertRun, inertRuns } from './outline.ts';
import { type EnvReader, type ReadOutcome, readersFor } from './readers/index.ts';
import { compare } from './whole-file.ts';

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
  const wanted = [...new Map(edits.map((edit) => [edit.key, edit])).values()];
  const nul = text.indexOf('\0');
  if (nul >= 0)
    return refuse({ reader: '*', reason: 'nul-in-file', line: EnvDocument.parse(text).lineAt(nul) });

  const normal = normalise(text, models);
  const document = EnvDocument.parse(normal.text);
  const runs = models.some((model) => model.name === 'kubectl')
    ? []
    : runsOf(document, normal.text, wanted, siblings);
  const quick = editNormal(normal.text, document, runs, { edits: wanted, models, siblings });
  // The short form shows that all is well; what is wrong is looked at in the whole file.
  const result =
    quick.ok || runs.length === 0
      ? quick
      : editNormal(normal.text, EnvDocument.parse(normal.text), [], { edits: wanted, models, siblings });
  return normal.notes.length === 0 ? result : withNormalisation(text, wanted, models, result, normal.notes);
}

function refuse(...refusals: EditRefusal[]): EditResult {
  return { ok: false, refusals };
}

/** The parts of the text that need not be read: no edit is near, and they mean the same to all. */
function runsOf(
  document: EnvDocument,
  text: string,
  edits: readonly EnvEdit[],
  siblings: readonly string[],
): InertRun[] {
  const keys = new Set([...edits.map((edit) => edit.key), ...siblings]);
  const touched = [...keys].flatMap((key) => document.statements(key));
  const offsets = touched.flatMap(({ start, end }) => [start, end]).toSorted((a, b) => a - b);
  const long = touched.filter(({ raw }) => raw.includes('\n'));
  // A statement over several lines is replaced as a whole: nothing inside it is left out.
  return inertRuns(text, offsets).filter((run) =>
    long.every(({ start, end }) => run.end <= start || run.start >= end),
  );
}

function editNormal(
  text: string,
  document: EnvDocument,
  leftOut: readonly InertRun[],
  {
    edits,
    models,
    siblings,
  }: { edits: readonly EnvEdit[]; models: readonly EnvReader[]; siblings: readonly string[] },
): EditResult {
  const { before, rejected } = readBefore(document, leftOut, edits, models);
  if (rejected.length > 0) return refuse(...rejected);

  const pending = edits.filter((edit) => !isDone(document, edit, before));
  const report: EditReport = { removedDuplicates: [], notes: [] };
  if (pending.length === 0) return { ok: true, text, changed: [], ...report };
  const refusals = pending.flatMap((edit) => apply(document, edit, models, siblings, report) ?? []);
  if (refusals.length > 0) return refuse(...refusals);

  const now = document.print(leftOut);
  const values = new Map(pending.map((edit) => [edit.key, edit.value]));
  const { differences, following } = compare(models, before, now, values);
  if (differences.length > 0) return refuse(...differences);
  report.notes.push(...following.map((key): EditNote => ({ note: 'reference-follows', key })));
  return { ok: true, text: document.toString(), changed: pending.map((edit) => edit.key), ...report };
}

/**
 * What each reader got before the edits. A reader that rejects the text may do so for a line that is to be
 * rewritten: then it is asked about the text without the lines that others see wrong, or without all of the edits'.
 */
function readBefore(
  document: EnvDocument,
  leftOut: readonly InertRun[],
  edits: readonly EnvEdit[],
  models: readonly EnvReader[],
): { before: (ReadOutcome | undefined)[]; rejected: EditRefusal[] } {
  const old = document.print(leftOut);
  const before: (ReadOutcome | undefined)[] = models.map((model) => model.read(old));
  const seen = before.filter((outcome) => outcome?.ok === true);
  const wrong = edits.filter((edit) => !isDone(document, edit, seen));
  const rejected: EditRefusal[] = [];
  models.forEach((model, at) => {
    const outcome = before[at];
    if (outcome === undefined || outcome.ok) return;
    const without = [wrong, edits].map((dropped) => {
      const statements = dropped.flatMap((edit) => document.statements(edit.key));
      return model.read(document.print(leftOut, statements));
    });
    const good = without.find((candidate) => candidate.ok);
    // An older version that gives up on lines which stay as they are is not the one that is deployed: not heard.
    const newer = models.findIndex((other) => other.name === model.name);
    if (good !== undefined) before[at] = good;
    else if (newer < at && before[newer]?.ok) before[at] = undefined;
    else rejected.push({ reader: model.id, reason: outcome.reason, line: outcome.line });
  });
  return { before, rejected };
}

function isDone(
  document: EnvDocument,
  edit: EnvEdit,
  outcomes: readonly (ReadOutcome | undefined)[],
): boolean {
  const statements = document.statements(edit.key);
  if (edit.value === undefined) return statements.length === 0;
  return (
    statements.length === 1 && outcomes.every((outcome) => outcome === undefined || holds(outcome, edit))
  );
}

function holds(outcome: ReadOutcome, { key, value }: EnvEdit): boolean {
  const got = outcome.ok ? outcome.values.get(key) : undefined;
  return got?.value === value && got?.unstable === undefined;
}

/** Where the old text does already what is wanted, its byte order mark and line ends stay too. */
function withNormalisation(
  text: string,
  edits: readonly EnvEdit[],
  models: readonly EnvReader[],
  result: EditResult,
  notes: readonly Normalisation[],
): EditResult {
  const document = EnvDocument.parse(text);
  const before = models.map((model) => model.read(text));
  const undone = edits.filter((edit) => !isDone(document, edit, before));
  if (undone.length === 0) return { ok: true, text, changed: [], removedDuplicates: [], notes: [] };
  if (!result.ok) return result;
  const changed = undone.map((edit) => edit.key);
  return { ...result, changed, notes: [...notes.map((note) => ({ note })), ...result.notes] };
}
