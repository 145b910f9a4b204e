import type { ProcessResult } from '../platform/process.ts';

/** Takes every secret out of a text. */
export type Hide = (text: string) => string;

const MAX_LENGTH = 200;

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
const ESCAPE_SEQUENCES = /\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])/g;
const CONTROL_CHARACTERS = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** Compose warns of each `$name` that it finds no variable for: pieces of hashes. */
const WARNING = /\blevel=(?:warning|info|debug)\b|^\W*(?:WARN|WARNING|INFO|DEBUG)\b|\bis not set\b/i;
/** Compose v1 says so after the reason. */
const EMPTY_WORDS = /^ERROR: Encountered errors while bringing up the project\.?$/;

/**
 * The last line that says something of what a program wrote to stderr, fit to be shown: one line, of bounded length,
 * no control character, no warning, no secret. Empty where there is none.
 */
export function lastWords(stderr: string, hide: Hide): string {
  // Hidden twice: a secret may reach over lines, and one that is cut up by escape sequences is whole without them.
  const lines = hide(stderr)
    .split(/[\r\n]+/)
    .map((line) => line.replace(ESCAPE_SEQUENCES, '').replace(CONTROL_CHARACTERS, ' ').trim())
    .filter((line) => line !== '' && !WARNING.test(line) && !EMPTY_WORDS.test(line));
  const line = hide(lines.at(-1) ?? '');
  return line.length > MAX_LENGTH ? `${line.slice(0, MAX_LENGTH)}…` : line;
}

/** How a program that did not do its work ended, in words that can be shown. */
export function howItEnded(result: ProcessResult, timeoutMs: number, hide: Hide): string {
  if (result.failure === 'timeout') return `did not end within ${timeoutMs / 1000} s`;
  if (result.code === null) return `could not be run (${result.failure ?? 'no exit code'})`;
  const words = lastWords(result.stderr, hide);
  return `ended with exit code ${result.code}${words === '' ? '' : `: ${words}`}`;
}
