import type { ReaderName } from '../../model/layout.ts';

/** What a reader got for one key. */
export interface ReadValue {
  value: string;
  /**
   * Where the value is not the text of the file alone: `expanded` from earlier lines (an unset name
   * gives nothing), `executed` by a shell, `inherited` from the host. The last two are not known here.
   */
  unstable?: 'expanded' | 'executed' | 'inherited';
  /** The line where the statement begins, counted from 1. */
  line: number;
}

/** Why a program refuses a whole file. */
export type ReadFault =
  | 'unterminated-quote'
  | 'bad-key'
  | 'bad-template'
  | 'missing-key'
  | 'duplicate-key'
  | 'line-too-long'
  | 'not-unicode'
  | 'shell-syntax'
  | 'runs-command';

/** All keys a program takes from a file, or the line at which it gives up. */
export type ReadOutcome =
  | { ok: true; values: Map<string, ReadValue> }
  | { ok: false; line: number; reason: ReadFault };

/** A model of one version of a program that reads `.env` files. */
export interface EnvReader {
  /** Says program and version, e.g. `compose 2.24+`. */
  id: string;
  name: ReaderName;
  /** The first version that reads like this; compared with `ReaderSpec.since`. */
  from: string;
  read(text: string): ReadOutcome;
}

/** White space as Go's `unicode.IsSpace` sees it, for use inside a character class. */
export const GO_SPACE = '\\t-\\r \\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000';

/** The byte order mark that some editors put first. */
export const BOM = '\uFEFF';

/** Ends a read at its first fault; caught by `outcome`. */
export class Rejection extends Error {
  readonly offset: number;
  readonly reason: ReadFault;

  constructor(offset: number, reason: ReadFault) {
    super(reason);
    this.offset = offset;
    this.reason = reason;
  }
}

/** Counts lines for offsets that only grow, so that a whole file costs one pass. */
export class LineCounter {
  readonly #text: string;
  #offset = 0;
  #line = 1;

  constructor(text: string) {
    this.#text = text;
  }

  at(offset: number): number {
    for (;;) {
      const next = this.#text.indexOf('\n', this.#offset);
      if (next < 0 || next >= offset) return this.#line;
      this.#line += 1;
      this.#offset = next + 1;
    }
  }
}

/** Runs a parse that throws `Rejection` where the program would give up. */
export function outcome(text: string, parse: () => Map<string, ReadValue>): ReadOutcome {
  try {
    return { ok: true, values: parse() };
  } catch (error) {
    if (!(error instanceof Rejection)) throw error;
    return { ok: false, line: new LineCounter(text).at(error.offset), reason: error.reason };
  }
}
