import type { EnvDocument, Statement } from './document.ts';
import type { EditRefusal, EditReport, EnvEdit } from './edit-result.ts';
import { commentLines, inlineComment } from './inline-comment.ts';
import type { EnvReader } from './readers/index.ts';
import { chooseSpelling } from './spelling.ts';

/** Makes one edit in the document, in a spelling that all readers take alike; or says why there is none. */
export function apply(
  document: EnvDocument,
  edit: EnvEdit,
  models: readonly EnvReader[],
  siblings: readonly string[],
  report: EditReport,
): EditRefusal | undefined {
  const { key, value } = edit;
  const statements = document.statements(key);
  const last = statements.at(-1);
  const chosen = value === undefined ? undefined : chooseSpelling(key, value, models);
  if (chosen !== undefined && !chosen.ok) return chosen.refusal;
  const target = last ?? lastOf(document, siblings);
  const { unclosed } = document;
  if (unclosed !== undefined && liesBehind(document, unclosed, target, last === undefined)) {
    return { key, reader: '*', reason: 'unterminated-above', line: unclosed };
  }
  for (const statement of statements) {
    if (statement !== last || chosen === undefined) document.remove(statement);
  }
  if (statements.length > 1) report.removedDuplicates.push(key);
  if (chosen === undefined) return undefined;
  const assignment = `${key}=${chosen.spelling}`;
  if (last === undefined) document.insertAfter(target, [...commentLines(edit.comment ?? []), assignment]);
  else document.replace(last, rewritten(document, last, assignment, models, report));
  return undefined;
}

/** Whether an edit lies behind the line of an open quote; in that very line's place it may stand. */
function liesBehind(
  document: EnvDocument,
  unclosed: number,
  target: Statement | undefined,
  added: boolean,
): boolean {
  return target === undefined || document.lineAt(target.start) + (added ? 1 : 0) > unclosed;
}

/** The new text of a line: `export` stays where no reader minds, a comment moves to a line of its own above. */
function rewritten(
  document: EnvDocument,
  statement: Statement,
  assignment: string,
  models: readonly EnvReader[],
  report: EditReport,
): string {
  const { key } = statement;
  const exported = statement.exported && models.every((model) => reads(model, 'export A=1'));
  if (statement.exported && !exported) report.notes.push({ note: 'export-removed', key });
  const line = exported ? `export ${assignment}` : assignment;
  const comment = models.some((model) => reads(model, 'A=1 # note'))
    ? inlineComment(statement.raw)
    : undefined;
  if (comment === undefined) return line;
  // An old `KEY=value` in a comment is an old secret, and readers that look for `KEY=` anywhere find it first.
  const kept = !comment.includes(`${key}=`);
  report.notes.push({ note: kept ? 'comment-moved' : 'comment-dropped', key });
  return kept ? `${commentLines([comment])}${document.lineEndAt(statement.start)}${line}` : line;
}

function reads(model: EnvReader, line: string): boolean {
  const outcome = model.read(`${line}\n`);
  return outcome.ok && outcome.values.get('A')?.value === '1';
}

function lastOf(document: EnvDocument, keys: readonly string[]): Statement | undefined {
  return keys
    .flatMap((key) => document.statements(key).slice(-1))
    .toSorted((a, b) => a.start - b.start)
    .at(-1);
}
