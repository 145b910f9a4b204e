import {
  type EnvReader,
  LineCounter,
  outcome,
  type ReadOutcome,
  type ReadValue,
  Rejection,
} from './reader.ts';
import { type Word, WordReader } from './shell-words.ts';

/** Commands that act on the shell itself, so that nobody can tell what comes after them. */
const BUILTINS = new Set(
  `. alias bg bind break builtin caller cd command compgen complete compopt continue declare dirs disown enable eval
  exec exit fc fg getopts history let local logout mapfile popd pushd read readarray readonly return set shift shopt
  source suspend trap typeset ulimit umask unalias unset wait`.split(/\s+/),
);
const RESERVED = new Set(
  'if then else elif fi do done case esac while until for in function select time coproc { } ! [[ ]]'.split(
    ' ',
  ),
);
/** Variables that bash does not let be set, while dash does. */
const READONLY = /^(?:E?UID|PPID|SHELLOPTS|BASHOPTS|BASH_VERSINFO)$/;
const BLANKS = /(?:[ \t]|\\\n)*/y;
const BLANK_LINES = /(?:[ \t\n]|\\\n|#[^\n]*\n)*/y;
const COMMENT = /#[^\n]*/y;
const ASSIGNMENT = /[A-Za-z_][A-Za-z0-9_]*=/y;
const BASH_ASSIGNMENT = /[A-Za-z_][A-Za-z0-9_]*(?:\+=|\[)/y;
const JOIN = /\|\||\|&|\||&&|&(?!>)/y;
const REDIRECTION = /&?[<>][>&|]?/y;

/** What is known of the statement that is being read. */
interface Statement {
  assigned: string[];
  /** Whether anything stands in the current command. */
  begun: boolean;
  /** What the words that come next are. */
  expects: 'assignment' | 'export' | 'argument';
  /** Whether its assignments do not outlive it: they are for a command, or in a subshell, or conditional. */
  lost: boolean;
}

/**
 * Reads as dash and bash do for `set -a; . ./.env`, with an empty environment and no program on the path. A
 * variable whose statement runs something is `executed`. The file is rejected where a shell gives up on it, where
 * dash and bash differ in what they take for a statement, and where a command changes the shell itself.
 */
function read(text: string): ReadOutcome {
  return outcome(text, () => {
    const values = new Map<string, ReadValue>();
    const lines = new LineCounter(text);
    const words = new WordReader(text, (name) => {
      const known = values.get(name);
      return known && { text: known.value, ...(known.unstable && { unstable: known.unstable }) };
    });
    while (!words.done) readStatement(words, values, lines);
    return values;
  });
}

function readStatement(words: WordReader, values: Map<string, ReadValue>, lines: LineCounter): void {
  const line = lines.at(words.at);
  const statement: Statement = { assigned: [], begun: false, expects: 'assignment', lost: false };
  while (!endsStatement(words, statement)) {
    if (readOperator(words, statement)) continue;
    const assigned = readWord(words, statement);
    if (assigned === undefined) continue;
    values.set(assigned.name, { ...stored(assigned), line });
    statement.assigned.push(assigned.name);
  }
  if (!statement.lost) return;
  for (const name of statement.assigned) values.set(name, { value: '', unstable: 'executed', line });
}

function endsStatement(words: WordReader, statement: Statement): boolean {
  words.take(BLANKS);
  words.take(COMMENT);
  if (words.done) return true;
  if (words.next === '\n') {
    words.at += 1;
    return true;
  }
  if (words.next !== ';') return false;
  if (!statement.begun || words.startsWith(';;') || words.startsWith(';&')) {
    throw new Rejection(words.at, 'shell-syntax');
  }
  words.at += 1;
  return true;
}

/** Reads what joins commands or redirects one; all of it runs something or depends on it. */
function readOperator(words: WordReader, statement: Statement): boolean {
  const start = words.at;
  if ('()'.includes(words.next) || words.startsWith('<<')) throw new Rejection(start, 'shell-syntax');
  if (words.take(REDIRECTION) !== undefined) {
    words.take(BLANKS);
    const target = words.at;
    words.word(false);
    if (words.at === target) throw new Rejection(start, 'shell-syntax');
    statement.begun = true;
    statement.lost = true;
    return true;
  }
  const operator = words.take(JOIN);
  if (operator === undefined) return false;
  if (!statement.begun) throw new Rejection(start, 'shell-syntax');
  statement.lost = true;
  statement.begun = false;
  statement.expects = 'assignment';
  if (operator === '&') {
    words.take(BLANKS);
    if (';&|'.includes(words.next || ' ')) throw new Rejection(start, 'shell-syntax');
    return true;
  }
  words.take(BLANK_LINES);
  if (words.done || ';&|()'.includes(words.next)) throw new Rejection(start, 'shell-syntax');
  return true;
}

function readWord(words: WordReader, statement: Statement): { name: string; value: Word } | undefined {
  const start = words.at;
  statement.begun = true;
  if (statement.expects !== 'argument') {
    const name = words.take(ASSIGNMENT)?.slice(0, -1);
    if (name !== undefined) return { name, value: words.word(true) };
    if (words.take(BASH_ASSIGNMENT) !== undefined) throw new Rejection(start, 'runs-command');
  }
  const word = words.word(false);
  const literal = words.since(start);
  if (statement.expects === 'export') {
    // A name alone is no news; anything else is an option or an error that ends dash.
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(literal)) throw new Rejection(start, 'runs-command');
  } else if (statement.expects === 'assignment') {
    if (RESERVED.has(literal)) throw new Rejection(start, 'shell-syntax');
    if (BUILTINS.has(word.text)) throw new Rejection(start, 'runs-command');
    if (statement.assigned.length > 0 || word.text !== 'export') statement.lost = true;
    statement.expects = word.text === 'export' ? 'export' : 'argument';
  }
  return undefined;
}

function stored({ name, value }: { name: string; value: Word }): Omit<ReadValue, 'line'> {
  const unstable = READONLY.test(name) ? 'inherited' : value.unstable;
  return { value: value.text, ...(unstable && { unstable }) };
}

export const posixReaders: readonly EnvReader[] = [{ id: 'posix', name: 'posix', from: '0', read }];
