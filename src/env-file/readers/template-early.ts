import { Rejection } from './reader.ts';
import { applyOperator, BadTemplate, firstOperator, type Lookup, type Substituted } from './template.ts';

// compose-go 1.5: a dollar before anything that is no name is an error, also before a digit.
const STRICT = /\$(?:(\$)|([_a-z][_a-z0-9]*)|\{([_a-z][_a-z0-9]*(?::?[-+?](?:[^\n]*\}|[^}]*))?)\}|())/giu;
// compose-go 1.1: names in upper case and digits only; the braces need not match.
const UPPER_CASE = /(\\)?\$\(?\{?([A-Z0-9_]+)?\}?/g;

/** Interpolates as Compose 2.10 did. Throws `Rejection` where it stopped. Source: compose-go 1.5 template.go. */
export function substituteStrictly(template: string, lookup: Lookup, offset: number): Substituted {
  const result = run(template, lookup);
  if (result.failed) throw new Rejection(offset, 'bad-template');
  return result;
}

// An error counts only if no good replacement with braces comes after it: the later one overwrote it.
function run(template: string, lookup: Lookup): Substituted & { failed: boolean } {
  let expanded = false;
  let failed = false;
  const text = template.replace(STRICT, (match, escaped, named, braced) => {
    if (escaped !== undefined) return '$';
    expanded = true;
    if (named !== undefined) return lookup(named) ?? '';
    failed = braced === undefined;
    if (failed) return '';
    const replaced = replaceBraced(match, lookup);
    failed = replaced === undefined;
    return replaced ?? '';
  });
  return { text, expanded, failed };
}

function replaceBraced(match: string, lookup: Lookup): string | undefined {
  const close = closingBrace(match);
  const inner = close < 0 ? match.slice(2, -1) : match.slice(2, close);
  const rest = close < 0 ? '' : match.slice(close + 1);
  try {
    const value = applyOperator(firstOperator(match), inner, lookup, nested);
    if (value === undefined) return lookup(inner) ?? '';
    const after = run(rest, lookup);
    return after.failed ? '' : value + after.text;
  } catch (error) {
    if (!(error instanceof BadTemplate)) throw error;
    return undefined;
  }
}

function nested(template: string, lookup: Lookup): string {
  const result = run(template, lookup);
  if (result.failed) throw new BadTemplate();
  return result.text;
}

function closingBrace(text: string): number {
  let open = 0;
  for (let at = 0; at < text.length; at += 1) {
    if (text[at] === '}') {
      open -= 1;
      if (open === 0) return at;
    }
    if (text.startsWith('${', at)) {
      open += 1;
      at += 1;
    }
  }
  return -1;
}

/** Interpolates as Compose 2.2 did, which never failed. Source: compose-go 1.1 godotenv.go. */
export function substituteUpperCase(template: string, lookup: Lookup): Substituted {
  let expanded = false;
  const text = template.replace(UPPER_CASE, (match, backslash, name) => {
    if (backslash !== undefined) return match.slice(1);
    if (name === undefined) return match;
    expanded = true;
    return lookup(name) ?? '';
  });
  return { text, expanded };
}
