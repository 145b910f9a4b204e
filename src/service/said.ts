import { existsSync } from 'node:fs';
import { isAbsolute } from 'node:path';
import type { ProcessResult } from '../platform/process.ts';

/** Takes every secret out of a text. */
export type Hide = (text: string) => string;

/** What is never shown of other programs' words, and what may be though it stands in quotes. */
export interface Discretion {
  hide: Hide;
  /** Names that the layout gives. */
  names?: readonly string[];
}

const MAX_LENGTH = 200;
/** So much of a program's words is looked at, from the end. */
const TAIL = 16_384;

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
const ESCAPE_SEQUENCES = /\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])/g;
const CONTROL_CHARACTERS = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** Compose warns of each `$name` that it finds no variable for: pieces of hashes. */
const WARNING = /\blevel=(?:warning|info|debug)\b|^\W*(?:WARN|WARNING|INFO|DEBUG)\b|\bis not set\b/i;
const WORDS = /\p{L}{2}.*\s.*\p{L}{2}/u;
/** Compose v1 says so after the reason. */
const EMPTY_WORDS = /^ERROR: Encountered errors while bringing up the project\.?$/;

/** Between quotes; an apostrophe within a word is none, and a quotation that does not end reaches to the end. */
const QUOTED =
  /"((?:[^"\\]|\\.)*)(?:"|\\?$)|`([^`]*)(?:`|$)|(?<![\p{L}\p{N}])'((?:[^']|'(?=[\p{L}\p{N}]))*)(?:'|$)/gu;

/** The end of a quotation that began on a line above. */
const QUOTED_BEFORE = /^[^"]*[^"\s([{=:,]"(?=[\s.,;:)\]}]|$)(?=[^"]*(?:"[^"]*"[^"]*)*$)/;

/**
 * A line without what it quotes: programs quote the files that they cannot read, be it files that no layout names. A
 * path that is there, and what the layout itself calls by that name, stays.
 */
function withoutQuotations(line: string, names: readonly string[]): string {
  const isKnown = (text: string) => names.includes(text) || (isAbsolute(text) && existsSync(text));
  return line.replace(QUOTED_BEFORE, '…').replace(QUOTED, (whole, ...groups: unknown[]) => {
    const text = groups.slice(0, 3).find((one): one is string => typeof one === 'string') ?? '';
    const quote = whole.charAt(0);
    return text === '' || isKnown(text) ? whole : `${quote}…${quote}`;
  });
}

/** Whole lines from the end of a text: a secret at the cut could not be known for one. */
function tailOf(text: string): string {
  return text.length <= TAIL ? text : text.slice(-TAIL).replace(/^[^\n]*\n?/, '');
}

/**
 * The last line that says something of what a program wrote to stderr, fit to be shown: one line, of bounded length,
 * no control character, no warning, no secret, nothing quoted. Empty where there is none.
 */
export function lastWords(stderr: string, { hide, names = [] }: Discretion): string {
  // Hidden twice: a secret may reach over lines, and one that control characters cut up is whole without them.
  const lines = hide(tailOf(stderr))
    .split(/[\r\n]+/)
    .map((line) =>
      line.replace(ESCAPE_SEQUENCES, '').replaceAll('\t', ' ').replace(CONTROL_CHARACTERS, '').trim(),
    )
    .filter((line) => line !== '' && !WARNING.test(line) && !EMPTY_WORDS.test(line));
  // Some programs quote a line of the file last.
  const spoken = lines.findLast((one) => WORDS.test(one)) ?? lines.at(-1) ?? '';
  const line = withoutQuotations(hide(spoken), names);
  return line.length > MAX_LENGTH ? `${line.slice(0, MAX_LENGTH)}…` : line;
}

/** How a program that did not do its work ended, in words that can be shown. */
export function howItEnded(result: ProcessResult, timeoutMs: number, discretion: Discretion): string {
  if (result.failure === 'timeout') return `did not end within ${timeoutMs / 1000} s`;
  // A code or a signal; a port may have more to say, and that could be arguments.
  const code = /^\w+$/.exec(result.failure ?? '')?.[0] ?? 'no exit code';
  if (result.code === null) return `could not be run (${code})`;
  const words = lastWords(result.stderr, discretion);
  return `ended with exit code ${result.code}${words === '' ? '' : `: ${words}`}`;
}
