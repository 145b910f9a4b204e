import {
  type EnvReader,
  LineCounter,
  outcome,
  type ReadOutcome,
  type ReadValue,
  Rejection,
} from './reader.ts';

const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
const NONCHARACTER = /\p{Noncharacter_Code_Point}/u;
const NEWLINE = '\n\r';
const SPACE = ' \t\n\r';

/** A statement as systemd collects it; blanks at the ends of key and bare value go away. */
interface Collected {
  key: string;
  value: string;
  end: number;
}

/**
 * Reads as systemd's `EnvironmentFile=` does: variables with other names than a shell's are dropped, and a
 * noncharacter makes it give up. Source: systemd src/basic/env-file.c, utf8.c, and `strv_env_clean`.
 */
function read(text: string, commentsContinue: boolean): ReadOutcome {
  return outcome(text, () => {
    const values = new Map<string, ReadValue>();
    const lines = new LineCounter(text);
    let at = nextStatement(text, 0, commentsContinue);
    while (at < text.length) {
      const statement = readStatement(text, at);
      if (statement !== undefined) {
        if (NONCHARACTER.test(statement.key + statement.value)) throw new Rejection(at, 'not-unicode');
        if (NAME.test(statement.key))
          values.set(statement.key, { value: statement.value, line: lines.at(at) });
      }
      at = nextStatement(text, statement?.end ?? lineStop(text, at), commentsContinue);
    }
    return values;
  });
}

function nextStatement(text: string, from: number, commentsContinue: boolean): number {
  let at = from;
  while (at < text.length) {
    if (SPACE.includes(text.charAt(at))) at += 1;
    else if ('#;'.includes(text.charAt(at))) at = skipComment(text, at, commentsContinue);
    else break;
  }
  return at;
}

// Before 254 a backslash at the end of a comment joined the next line to it.
function skipComment(text: string, from: number, continues: boolean): number {
  let stop = lineStop(text, from);
  while (continues && stop < text.length && isEscaped(text, from, stop)) stop = lineStop(text, stop + 1);
  return stop;
}

function isEscaped(text: string, from: number, at: number): boolean {
  let backslashes = 0;
  while (at - 1 - backslashes > from && text[at - 1 - backslashes] === '\\') backslashes += 1;
  return backslashes % 2 === 1;
}

function lineStop(text: string, from: number): number {
  let at = from;
  while (at < text.length && !NEWLINE.includes(text.charAt(at))) at += 1;
  return at;
}

function readStatement(text: string, from: number): Collected | undefined {
  let at = from;
  while (at < text.length && text[at] !== '=' && !NEWLINE.includes(text.charAt(at))) at += 1;
  if (text[at] !== '=') return undefined;
  return { key: text.slice(from, at).replace(/[ \t]+$/, ''), ...readValue(text, at + 1) };
}

// Quotes open only where a value begins or another quote has closed; then blanks are skipped again.
function readValue(text: string, from: number): { value: string; end: number } {
  let value = '';
  let at = from;
  while (at < text.length && !NEWLINE.includes(text.charAt(at))) {
    const character = text.charAt(at);
    if (character === "'" || character === '"') {
      const quoted = readQuoted(text, at + 1, character);
      value += quoted.value;
      at = quoted.end;
    } else if (SPACE.includes(character)) {
      at += 1;
    } else {
      const bare = readBare(text, at);
      return { value: value + bare.value, end: bare.end };
    }
  }
  return { value, end: at };
}

function readQuoted(text: string, from: number, quote: string): { value: string; end: number } {
  let value = '';
  let at = from;
  for (; at < text.length && text[at] !== quote; at += 1) {
    if (quote === "'" || text[at] !== '\\' || at + 1 >= text.length) {
      if (quote === "'" || text[at] !== '\\') value += text.charAt(at);
      continue;
    }
    at += 1;
    const escaped = text.charAt(at);
    if ('"\\`$'.includes(escaped)) value += escaped;
    else if (escaped !== '\n') value += `\\${escaped}`;
  }
  return { value, end: Math.min(at + 1, text.length) };
}

function readBare(text: string, from: number): { value: string; end: number } {
  let value = '';
  let kept = 0;
  let at = from;
  for (; at < text.length && !NEWLINE.includes(text.charAt(at)); at += 1) {
    if (text[at] === '\\') {
      at += 1;
      if (at < text.length && !NEWLINE.includes(text.charAt(at))) value += text.charAt(at);
      kept = value.length;
    } else {
      value += text.charAt(at);
      if (!SPACE.includes(text.charAt(at))) kept = value.length;
    }
  }
  return { value: value.slice(0, kept), end: at };
}

export const systemdReaders: readonly EnvReader[] = [
  { id: 'systemd 254+', name: 'systemd', from: '254', read: (text) => read(text, false) },
  { id: 'systemd 252', name: 'systemd', from: '252', read: (text) => read(text, true) },
];
