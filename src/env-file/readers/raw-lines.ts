import { BOM, GO_SPACE } from './reader.ts';

const LEADING = new RegExp(`^[${GO_SPACE}]+`);
/** Go's `bufio.Scanner` holds no line that needs more than this, its line feed included. */
const MAX_LINE = 64 * 1024;

/** A line of a file that is read without quotes: blanks at its start are gone, its line end too. */
export interface RawLine {
  text: string;
  /** Counted from 1. */
  number: number;
  /** The scanner gives up here; `text` is not to be used. */
  tooLong: boolean;
}

/** The lines that say something, as Go's scanner splits them: no blank ones, no comments. */
export function* rawLines(text: string): Generator<RawLine> {
  let number = 0;
  for (let start = text.startsWith(BOM) ? 1 : 0; start < text.length; ) {
    const newline = text.indexOf('\n', start);
    const end = newline < 0 ? text.length : newline;
    number += 1;
    const tooLong = isTooLong(text.slice(start, end), number === 1 && text.startsWith(BOM));
    const line = text.slice(start, end).replace(/\r$/, '').replace(LEADING, '');
    if (tooLong || (line !== '' && !line.startsWith('#'))) yield { text: line, number, tooLong };
    start = end + 1;
  }
}

function isTooLong(line: string, marked: boolean): boolean {
  // No UTF-16 unit takes more than three bytes: short lines need not be measured.
  return line.length * 3 + 3 >= MAX_LINE && Buffer.byteLength(line) + (marked ? 3 : 0) >= MAX_LINE;
}
