import { parse } from 'dotenv';
import { BOM, type EnvReader, type ReadOutcome, type ReadValue } from './reader.ts';

const STATEMENT = /^\s*(?:export\s+)?([\w.-]+)(?:\s*=|:\s)/gm;

/** npm's dotenv reads with its own `parse`; it skips what it does not understand. */
function read(text: string): ReadOutcome {
  const lines = statementLines(text);
  const values = new Map<string, ReadValue>();
  for (const [key, value] of Object.entries(parse(text))) {
    values.set(key, { value, line: lines.get(key) ?? 1 });
  }
  return { ok: true, values };
}

// `parse` gives no lines: the last statement of that name is the one that counts.
function statementLines(text: string): Map<string, number> {
  const lines = new Map<string, number>();
  let line = 1;
  let counted = text.startsWith(BOM) ? 1 : 0;
  for (const match of text.matchAll(STATEMENT)) {
    const key = match[1] ?? '';
    const at = match.index + match[0].indexOf(key);
    for (let next = text.indexOf('\n', counted); next >= 0 && next < at; next = text.indexOf('\n', counted)) {
      line += 1;
      counted = next + 1;
    }
    lines.set(key, line);
  }
  return lines;
}

export const dotenvReaders: readonly EnvReader[] = [{ id: 'dotenv 16+', name: 'dotenv', from: '16', read }];
