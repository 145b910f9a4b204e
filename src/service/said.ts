import type { ProcessResult } from '../platform/process.ts';

/** Takes every secret out of a text. */
export type Hide = (text: string) => string;

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

/** Whole lines from the end of a text: a secret at the cut could not be known for one. */
function tailOf(text: string): string {
  return text.length <= TAIL ? text : text.slice(-TAIL).replace(/^[^\n]*\n?/, '');
}

/**
 * The last line that says something of what a program wrote to stderr, fit to be shown: one line, of bounded length,
 * no control character, no warning, no secret. Empty where there is none.
 */
export function lastWords(stderr: string, hide: Hide): string {
  // Hidden twice: a secret may reach over lines, and one that control characters cut up is whole without them.
  const lines = hide(tailOf(stderr))
    .split(/[\r\n]+/)
    .map((line) =>
      line.replace(ESCAPE_SEQUENCES, '').replaceAll('\t', ' ').replace(CONTROL_CHARACTERS, '').trim(),
    )
    .filter((line) => line !== '' && !WARNING.test(line) && !EMPTY_WORDS.test(line));
  // Some programs quote a line of the file last.
  const line = hide(lines.findLast((one) => WORDS.test(one)) ?? lines.at(-1) ?? '');
  return line.length > MAX_LENGTH ? `${line.slice(0, MAX_LENGTH)}…` : line;
}

/** How a program that did not do its work ended, in words that can be shown. */
export function howItEnded(result: ProcessResult, timeoutMs: number, hide: Hide): string {
  if (result.failure === 'timeout') return `did not end within ${timeoutMs / 1000} s`;
  // A code or a signal; a port may have more to say, and that could be arguments.
  const code = /^\w+$/.exec(result.failure ?? '')?.[0] ?? 'no exit code';
  if (result.code === null) return `could not be run (${code})`;
  const words = lastWords(result.stderr, hide);
  return `ended with exit code ${result.code}${words === '' ? '' : `: ${words}`}`;
}
