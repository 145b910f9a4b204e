import { type ReadValue, Rejection } from './reader.ts';

/** A shell word after quote removal and expansion. */
export interface Word {
  text: string;
  unstable?: ReadValue['unstable'];
}

/** What the shell knows of a variable; undefined where it is unset. */
export type Variables = (name: string) => Word | undefined;

const NAME = /[A-Za-z_][A-Za-z0-9_]*/y;
/** Ends a word where it stands outside quotes. */
const META = ' \t\n;&|<>()';
const RANK = [undefined, 'expanded', 'inherited', 'executed'] as const;
/** Variables that a shell has of itself, or that hardly any environment lacks. */
const OWN =
  /^(?:PATH|HOME|PWD|OLDPWD|SHLVL|_|IFS|OPT(?:IND|ARG|ERR)|PPID|PS[0-4]|E?UID|HOST(?:NAME|TYPE)|MACHTYPE|OSTYPE|S?RANDOM|SECONDS|LINENO|SHELL|SHELLOPTS|TERM|GROUPS|DIRSTACK|COLUMNS|LINES|FUNCNAME|EPOCH.*|BASH.*|HIST.*|COMP_.*|MAILCHECK)$/;

/**
 * Reads shell words as dash and bash both do; where the two differ, or a command would have to run, the word is
 * marked, and nothing is ever run. Source: POSIX XCU 2.2, 2.6, and both programs.
 */
export class WordReader {
  readonly #text: string;
  readonly #variables: Variables;
  at = 0;

  constructor(text: string, variables: Variables) {
    this.#text = text;
    this.#variables = variables;
  }

  get next(): string {
    return this.#text.charAt(this.at);
  }

  get done(): boolean {
    return this.at >= this.#text.length;
  }

  startsWith(text: string): boolean {
    return this.#text.startsWith(text, this.at);
  }

  /** The text from an offset to here, as it stands in the file. */
  since(start: number): string {
    return this.#text.slice(start, this.at);
  }

  /** The text that a sticky pattern matches here; moves behind it. */
  take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.#text);
    if (found === null) return undefined;
    this.at = pattern.lastIndex;
    return found[0];
  }

  /** A word up to the next character that ends one; in an assignment a tilde counts behind each colon too. */
  word(assignment: boolean): Word {
    const word: Word = { text: '' };
    let tilde = true;
    while (!this.done && !META.includes(this.next)) {
      const character = this.next;
      if (tilde && character === '~') mark(word, 'inherited');
      tilde = assignment && character === ':';
      this.#part(word);
    }
    return word;
  }

  #part(word: Word): void {
    const character = this.next;
    if (character === "'") word.text += this.#single();
    else if (character === '"') this.#double(word);
    else if (character === '$') this.#dollar(word, false);
    else if (character === '`') this.#backticks(word);
    else if (character === '\\') word.text += this.#escape();
    else {
      word.text += character;
      this.at += 1;
    }
  }

  #single(): string {
    const close = this.#text.indexOf("'", this.at + 1);
    if (close < 0) throw new Rejection(this.at, 'unterminated-quote');
    const inner = this.#text.slice(this.at + 1, close);
    this.at = close + 1;
    return inner;
  }

  #escape(): string {
    const escaped = this.#text.slice(this.at + 1, this.at + 2);
    this.at += 2;
    if (escaped === '\n') return '';
    return escaped === '' ? '\\' : escaped;
  }

  #double(word: Word): void {
    const open = this.at;
    this.at += 1;
    while (this.next !== '"') {
      if (this.done) throw new Rejection(open, 'unterminated-quote');
      if (this.next === '$') this.#dollar(word, true);
      else if (this.next === '`') this.#backticks(word);
      else if (this.next === '\\' && '$`"\\\n'.includes(this.#text.charAt(this.at + 1) || ' ')) {
        word.text += this.#escape();
      } else {
        word.text += this.next;
        this.at += 1;
      }
    }
    this.at += 1;
  }

  #backticks(word: Word): void {
    const open = this.at;
    if (this.take(/`(?:[^`\\]|\\[\s\S])*`/y) === undefined) throw new Rejection(open, 'unterminated-quote');
    mark(word, 'executed');
  }

  #dollar(word: Word, quoted: boolean): void {
    const start = this.at;
    this.at += 1;
    const name = this.take(NAME);
    const character = this.next;
    // `$[` is arithmetic for bash alone; so is what `$'` and `$"` do outside quotes.
    if (name !== undefined) this.#insert(word, name);
    else if (character === '(') this.#substitution(word, start);
    else if (character === '{') this.#braces(word, start);
    else if (character === '[') throw new Rejection(start, 'shell-syntax');
    else if (character === "'" && !quoted) this.#ansiQuote(word, start);
    else if (character === '"' && !quoted) mark(word, 'inherited');
    else if (/[0-9@*#?$!-]/.test(character)) {
      this.at += 1;
      special(word, character);
      // bash looks for the end of a brace that begins behind the second dollar.
      if (character === '$' && '{('.includes(this.next || ' ')) throw new Rejection(start, 'shell-syntax');
    } else word.text += '$';
  }

  #ansiQuote(word: Word, start: number): void {
    if (this.#single().includes('\\')) throw new Rejection(start, 'shell-syntax');
    mark(word, 'inherited');
  }

  #insert(word: Word, name: string): void {
    const known = this.#variables(name);
    word.text += known?.text ?? '';
    mark(word, known === undefined && OWN.test(name) ? 'inherited' : 'expanded');
    if (known?.unstable !== undefined) mark(word, known.unstable);
  }

  // Quotes inside may hide a parenthesis; what stands there is not looked at further.
  #substitution(word: Word, start: number): void {
    this.#skipNested('(', ')', start);
    mark(word, 'executed');
  }

  #braces(word: Word, start: number): void {
    const open = this.at;
    this.#skipNested('{', '}', start);
    const inner = this.#text.slice(open + 1, this.at - 1);
    const form = /^([A-Za-z_][A-Za-z0-9_]*)(?:(:?[-+])([^$`'"\\~]*)|([%#][\s\S]*))?$/.exec(inner);
    if (/^(?:[0-9]+|[@*#?$!-])$/.test(inner)) {
      special(word, inner);
      return;
    }
    if (form === null) throw new Rejection(start, 'shell-syntax');
    const [, name = '', operator, fallback = '', cut] = form;
    if (operator === undefined) {
      this.#insert(word, name);
      if (cut !== undefined) mark(word, 'inherited');
      return;
    }
    const known = this.#variables(name);
    const present = known !== undefined && (known.text !== '' || !operator.startsWith(':'));
    if (present === operator.endsWith('+')) word.text += fallback;
    else if (present) word.text += known.text;
    mark(word, known?.unstable ?? (OWN.test(name) ? 'inherited' : 'expanded'));
  }

  #skipNested(open: string, close: string, start: number): void {
    let depth = 0;
    while (!this.done) {
      const character = this.next;
      if (character === open) depth += 1;
      if (character === close) depth -= 1;
      if (character === "'") this.#single();
      else if (character === '"') this.#double({ text: '' });
      else this.at += character === '\\' ? 2 : 1;
      if (depth === 0) return;
    }
    throw new Rejection(start, 'unterminated-quote');
  }
}

/** Notes the worst that happened to a word. */
function mark(word: Word, unstable: NonNullable<Word['unstable']>): void {
  if (RANK.indexOf(unstable) > RANK.indexOf(word.unstable)) word.unstable = unstable;
}

// A sourced file has no arguments; the others depend on the shell that reads it.
function special(word: Word, name: string): void {
  if (name === '#') word.text += '0';
  mark(word, /^(?:[1-9][0-9]*|[@*#])$/.test(name) ? 'expanded' : 'inherited');
}
