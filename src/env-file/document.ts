import type { InertRun } from './outline.ts';

/** A statement `KEY=value` as it stands in the text. Offsets count UTF-16 units. */
export interface Statement {
  key: string;
  /** Where its first line begins. */
  start: number;
  /** Where its last line ends, before the line end. */
  end: number;
  exported: boolean;
  /** What stands behind `=` and blanks, up to `end`. */
  raw: string;
}

interface Splice {
  start: number;
  end: number;
  text: string;
}

/** A quoted value that reaches over a line end. */
interface Block {
  start: number;
  end: number;
}

const OPENING = /^\uFEFF?[ \t]*(?:export[ \t]+)?[^\s=:#'"`]+[ \t]*(?:=|:[ \t])[ \t]*$/;
const QUOTES = /['"`]/g;

/** The key that a line seems to set. */
const LINE_KEY = /^\uFEFF?[ \t]*(?:export[ \t]+)?([^\s=]+)[ \t]*=/gm;

/** So many keys are searched for one by one; whoever asks for more will ask for all. */
const FEW_KEYS = 32;

/**
 * A lossless `.env`: what is not edited is printed as it was, byte for byte. Only quoted values are looked
 * at in advance, since they may hide lines that look like statements; the rest is searched on demand.
 */
export class EnvDocument {
  readonly #text: string;
  readonly #splices: Splice[] = [];
  readonly #blocks: Block[];
  readonly #found = new Map<string, Statement[]>();
  /** For each key the offsets where it may be set; made when many keys are asked for. */
  #offsets: Map<string, number[]> | undefined;
  /** The line of a quoted value that no quote ends, or that readers end in different places. */
  readonly unclosed: number | undefined;

  private constructor(text: string) {
    this.#text = text;
    const scan = scanQuotes(text);
    this.#blocks = scan.blocks;
    this.unclosed = scan.unclosed === undefined ? undefined : this.lineAt(scan.unclosed);
  }

  /** Takes any text; there is none that it refuses. */
  static parse(text: string): EnvDocument {
    return new EnvDocument(text);
  }

  /** All statements of a key, first to last, as the text was before any edit. */
  statements(key: string): readonly Statement[] {
    const known = this.#found.get(key);
    if (known !== undefined) return known;
    const found: Statement[] = [];
    this.#found.set(key, found);
    const offsets = this.#found.size > FEW_KEYS ? this.#indexed(key) : this.#searched(key);
    for (const at of offsets) {
      const statement = this.#statementAt(key, at);
      if (statement !== undefined) found.push(statement);
    }
    return found;
  }

  *#searched(key: string): Generator<number> {
    for (let at = this.#text.indexOf(key); at >= 0; at = this.#text.indexOf(key, at + key.length)) yield at;
  }

  #indexed(key: string): readonly number[] {
    if (this.#offsets === undefined) {
      this.#offsets = new Map();
      for (const match of this.#text.matchAll(LINE_KEY)) {
        const [lead, name = ''] = match;
        const at = match.index + lead.lastIndexOf(name);
        const offsets = this.#offsets.get(name);
        if (offsets === undefined) this.#offsets.set(name, [at]);
        else offsets.push(at);
      }
    }
    return this.#offsets.get(key) ?? [];
  }

  /** The line of an offset, counted from 1. */
  lineAt(offset: number): number {
    let line = 1;
    for (let at = this.#text.indexOf('\n'); at >= 0 && at < offset; at = this.#text.indexOf('\n', at + 1)) {
      line += 1;
    }
    return line;
  }

  /** The line end that a new line at this offset should have: that of the line before, else of the file. */
  lineEndAt(offset: number): string {
    const before = this.#text.lastIndexOf('\n', Math.max(0, offset - 1));
    const newline = before >= 0 && offset > 0 ? before : this.#text.indexOf('\n');
    return newline > 0 && this.#text[newline - 1] === '\r' ? '\r\n' : '\n';
  }

  /** Puts other text where a statement stands; its line end stays, and a missing one is added. */
  replace(statement: Statement, text: string): void {
    const lineEnd = statement.end < this.#text.length ? '' : this.lineEndAt(statement.start);
    this.#splices.push({ start: statement.start, end: statement.end, text: text + lineEnd });
  }

  /** Takes a statement's lines out, line end included. */
  remove(statement: Statement): void {
    this.#splices.push(this.#removal(statement));
  }

  /** Adds whole lines behind a statement, or at the end where none is given. */
  insertAfter(statement: Statement | undefined, lines: readonly string[]): void {
    const newline = statement === undefined ? -1 : this.#text.indexOf('\n', statement.end);
    const at = newline < 0 ? this.#text.length : newline + 1;
    const end = this.lineEndAt(at);
    const lead = at === this.#text.length && this.#endsOpen() ? end : '';
    this.#splices.push({ start: at, end: at, text: lead + lines.map((line) => line + end).join('') });
  }

  toString(): string {
    return this.print([]);
  }

  /**
   * The text with one line in the place of each run left out, the same one before and after the edits: where the run
   * has keys it is one of its own, which a reader sees or not as it would see those. And without the lines of `dropped`.
   */
  print(leftOut: readonly InertRun[], dropped: readonly Statement[] = []): string {
    const removals = dropped.map((statement) => this.#removal(statement));
    let prefix = 'LEFT_OUT_';
    while (leftOut.length > 0 && this.#text.includes(prefix)) prefix += '_';
    const markers = leftOut.map(
      (range, index): Splice => ({ ...range, text: range.assigns ? `${prefix}${index}=0\n` : '#\n' }),
    );
    const ordered = [...this.#splices, ...removals, ...markers].sort(
      (a, b) => a.start - b.start || a.end - b.end,
    );
    let printed = '';
    let at = 0;
    for (const splice of ordered) {
      printed += this.#text.slice(at, splice.start) + splice.text;
      at = splice.end;
    }
    return printed + this.#text.slice(at);
  }

  #removal(statement: Statement): Splice {
    const newline = this.#text.indexOf('\n', statement.end);
    return { start: statement.start, end: newline < 0 ? this.#text.length : newline + 1, text: '' };
  }

  /** Whether what stands last, edits included, has no line end. */
  #endsOpen(): boolean {
    const size = this.#text.length;
    const last = this.#splices.findLast((splice) => splice.end === size);
    if (last !== undefined) return last.text !== '' && !last.text.endsWith('\n');
    return !/(?:^\uFEFF?|\n)$/.test(this.#text.slice(-2));
  }

  #statementAt(key: string, at: number): Statement | undefined {
    const text = this.#text;
    // Most hits are parts of longer names: two characters tell.
    if (!' \t='.includes(text[at + key.length] ?? '\n') || !' \t\n\uFEFF'.includes(text[at - 1] ?? '\n'))
      return;
    const start = text.lastIndexOf('\n', at - 1) + 1;
    const lead = /^\uFEFF?[ \t]*(export[ \t]+)?$/.exec(text.slice(start, at));
    if (lead === null) return undefined;
    const sign = /^[ \t]*=[ \t]*/.exec(text.slice(at + key.length, lineStop(text, at)));
    if (sign === null || this.#inBlock(start)) return undefined;
    const from = at + key.length + sign[0].length;
    const block = this.#blocks.find((candidate) => candidate.start === from);
    const end = lineStop(text, block === undefined ? from : block.end);
    return {
      key,
      start: text.startsWith('\uFEFF') && start === 0 ? 1 : start,
      end,
      exported: lead[1] !== undefined,
      raw: text.slice(from, end),
    };
  }

  #inBlock(offset: number): boolean {
    return this.#blocks.some((block) => block.start < offset && offset <= block.end);
  }
}

/** Where the line of an offset ends, before its line end. */
function lineStop(text: string, offset: number): number {
  const newline = text.indexOf('\n', offset);
  if (newline < 0) return text.length;
  return newline > offset && text[newline - 1] === '\r' ? newline - 1 : newline;
}

function scanQuotes(text: string): { blocks: Block[]; unclosed: number | undefined } {
  const blocks: Block[] = [];
  QUOTES.lastIndex = 0;
  for (let match = QUOTES.exec(text); match !== null; match = QUOTES.exec(text)) {
    const at = match.index;
    const start = text.lastIndexOf('\n', at) + 1;
    const newline = text.indexOf('\n', at);
    const lineEnd = newline < 0 ? text.length : newline;
    let next = lineEnd;
    if (OPENING.test(text.slice(start, at))) {
      const literal = text.indexOf(match[0], at + 1);
      const escaped = closingQuote(text, at, match[0]);
      if (literal < 0) return { blocks, unclosed: at };
      if (literal > lineEnd || escaped > lineEnd || escaped < 0) {
        // Programs disagree on whether a backslash hides a quote, and on what may follow one: beyond this line
        // nothing is certain.
        const rest = text.slice(literal + 1, lineStop(text, literal));
        if (escaped !== literal || !/^[ \t]*(?:#.*)?$/.test(rest)) return { blocks, unclosed: at };
        blocks.push({ start: at, end: literal });
        next = lineStop(text, literal);
      }
    }
    QUOTES.lastIndex = next;
  }
  return { blocks, unclosed: undefined };
}

function closingQuote(text: string, open: number, quote: string): number {
  for (let at = text.indexOf(quote, open + 1); at >= 0; at = text.indexOf(quote, at + 1)) {
    let backslashes = 0;
    while (text[at - 1 - backslashes] === '\\') backslashes += 1;
    if (backslashes % 2 === 0) return at;
  }
  return -1;
}
