import { type ReadFault, Rejection } from './reader.ts';

/** What an interpolation gave, and whether anything but `$$` was replaced. */
export interface Substituted {
  text: string;
  expanded: boolean;
}

export type Lookup = (name: string) => string | undefined;

/** A template that Compose refuses, at whatever depth. */
export class BadTemplate extends Error {}

// compose-go template/template.go since 1.16; `.` is Go's: everything but a line feed.
const PATTERN = /\$(?:(\$)|([_a-z][_a-z0-9]*)|\{(?:([_a-z][_a-z0-9]*(?::?[-+?]([^\n]*))?)\}|()))/giu;
const OPERATORS = [':?', '?', ':-', '-', ':+', '+'];

/**
 * Interpolates as Compose does since 2.20: `$name`, `${name}`, `${name:-default}` and its kin; `$$` is a dollar.
 * Throws `Rejection` where Compose stops. Source: compose-go template/template.go.
 */
export function substitute(template: string, lookup: Lookup, offset: number): Substituted {
  try {
    return run(template, lookup);
  } catch (error) {
    if (!(error instanceof BadTemplate)) throw error;
    throw new Rejection(offset, 'bad-template' satisfies ReadFault);
  }
}

function run(template: string, lookup: Lookup): Substituted {
  if (!template.includes('$')) return { text: template, expanded: false };
  let expanded = false;
  const text = template.replace(PATTERN, (match, escaped, named, braced) => {
    if (escaped !== undefined) return '$';
    expanded = true;
    if (named !== undefined) return lookup(named) ?? '';
    if (braced === undefined) throw new BadTemplate();
    return replaceBraced(match, lookup);
  });
  return { text, expanded };
}

// The pattern is greedy up to the last brace of the line; Compose then looks for the brace that closes the first.
function replaceBraced(match: string, lookup: Lookup): string {
  const close = closingBrace(match);
  const inner = close < 0 ? match.slice(2, -1) : match.slice(2, close);
  const rest = close < 0 ? '' : match.slice(close + 1);
  const value = applyOperator(firstOperator(match), inner, lookup, (word) => run(word, lookup).text);
  if (value === undefined) return lookup(inner) ?? '';
  return value + run(rest, lookup).text;
}

function closingBrace(text: string): number {
  let open = 0;
  for (let at = 0; at < text.length; at += 1) {
    if (text[at] === '}') {
      open -= 1;
      if (open === 0) return at;
    }
    if (text[at] === '{') {
      open += 1;
      at += 1;
    }
  }
  return -1;
}

// Go sorts the operators by where they stand; the insertion sort below is what `sort.Slice` does to six elements.
export function firstOperator(text: string): string {
  const sorted = [...OPERATORS];
  const before = (a: string, b: string) => {
    const [atA, atB] = [text.indexOf(a), text.indexOf(b)];
    return atA >= 0 && (atB < 0 || atA < atB);
  };
  for (let i = 1; i < sorted.length; i += 1) {
    for (let j = i; j > 0 && before(sorted[j] ?? '', sorted[j - 1] ?? ''); j -= 1) {
      [sorted[j - 1], sorted[j]] = [sorted[j] ?? '', sorted[j - 1] ?? ''];
    }
  }
  return sorted[0] ?? '';
}

/** Applies one operator to `name<operator>word`; undefined where it does not stand there. */
export function applyOperator(
  operator: string,
  inner: string,
  lookup: Lookup,
  interpolate: (template: string, lookup: Lookup) => string,
): string | undefined {
  const at = inner.indexOf(operator);
  if (at < 0) return undefined;
  const value = lookup(inner.slice(0, at));
  const word = interpolate(inner.slice(at + operator.length), lookup);
  const present = operator.startsWith(':') ? value !== undefined && value !== '' : value !== undefined;
  if (operator.endsWith('+')) return present ? word : (value ?? '');
  if (present) return value;
  if (operator.endsWith('?')) throw new BadTemplate();
  return word;
}
