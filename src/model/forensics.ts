import { BCRYPT_LENGTH, isBcryptHash } from './bcrypt.ts';
import { Secret } from './secret.ts';

/** How a bearer that does not fit came about (contract.md, `bearer-malformed`). */
export type BearerHint =
  | 'truncated'
  | 'doubled-character'
  | 'interpolated'
  | 'shell-expanded'
  | 'dollar-doubled'
  | 'quoted'
  | 'prefixed'
  | 'white-space'
  | 'bom'
  | 'key-repeated'
  | 'other';

export interface BearerDiagnosis {
  /** Number of characters found; a good bearer has 60. */
  length: number;
  hint: BearerHint;
  /** The good hash that the text was, where that is known for certain. */
  meant?: Secret;
}

const BEGINNING = /^\$2[aby]\$\d\d\$[./A-Za-z0-9]*$/;

/** What `docker compose` makes of a bare or double-quoted value: `$name` becomes nothing (readers.md §2.1). */
export function asComposeInterpolates(text: string): string {
  return text.replace(/\$(\$|[_a-z][_a-z0-9]*)/gi, (_, rest: string) => (rest === '$' ? '$' : ''));
}

/** What a shell makes of a bare or double-quoted value: `$1` and `$name` become nothing (readers.md §2.7). */
export function asShellExpands(text: string): string {
  return text.replace(/\$(\d|[_a-zA-Z][_a-zA-Z0-9]*)/g, '');
}

/** Wrappings that leave the hash whole inside: what to take off, and what that is called. */
const WRAPPINGS: readonly { hint: BearerHint; unwrap: (text: string) => string }[] = [
  { hint: 'bom', unwrap: (text) => text.replace(/^\uFEFF/, '') },
  { hint: 'white-space', unwrap: (text) => text.trim() },
  { hint: 'quoted', unwrap: (text) => text.replace(/^(['"`])(.*)\1$/s, '$2').replace(/^['"`]|['"`]$/g, '') },
  { hint: 'prefixed', unwrap: (text) => text.replace(/^(?:bearer|token|basic)[:\s]+/i, '') },
  { hint: 'key-repeated', unwrap: (text) => text.replace(/^(?:export\s+)?[A-Za-z_][A-Za-z0-9_]*=\s*/, '') },
  { hint: 'dollar-doubled', unwrap: (text) => text.replaceAll('$$', '$') },
];

/** The first wrapping that was taken off, where what remains is a good hash. */
function unwrapped(text: string): { hint: BearerHint; meant: string } | undefined {
  let rest = text;
  let first: BearerHint | undefined;
  // Wrappings nest (`KEY="Bearer …"`), each at most once in each of a few rounds.
  for (let round = 0; round < 3 && !isBcryptHash(rest); round++) {
    for (const { hint, unwrap } of WRAPPINGS) {
      const inner = unwrap(rest);
      if (inner !== rest) first ??= hint;
      rest = inner;
    }
  }
  return first !== undefined && isBcryptHash(rest) ? { hint: first, meant: rest } : undefined;
}

/** Every good hash that one doubled character could have turned into this text. */
export function undoubled(text: string): Secret[] {
  if (text.length !== BCRYPT_LENGTH + 1) return [];
  const candidates = new Set<string>();
  for (let i = 1; i < text.length; i++) {
    if (text[i] === text[i - 1]) candidates.add(text.slice(0, i) + text.slice(i + 1));
  }
  return [...candidates].filter(isBcryptHash).map((hash) => new Secret(hash));
}

/** The known hash that a damage turned into this text, and what the damage is called. */
function damaged(text: string, known: readonly Secret[]): BearerDiagnosis | undefined {
  for (const meant of known) {
    const hash = meant.reveal();
    const is = (hint: BearerHint): BearerDiagnosis => ({ length: text.length, hint, meant });
    if (undoubled(text).some((candidate) => candidate.equals(meant))) return is('doubled-character');
    if (text === asComposeInterpolates(hash)) return is('interpolated');
    if (text === asShellExpands(hash)) return is('shell-expanded');
    if (text.length >= 7 && text.length < hash.length && hash.startsWith(text)) return is('truncated');
  }
  return undefined;
}

/** What the bare form tells where no known hash explains it: only marks that leave no second reading. */
function byForm(text: string, known: readonly Secret[]): BearerHint {
  // Compose leaves the version and the cost, and takes `$` and what follows it.
  if (/^\$2[aby]\$\d\d(?:[./].*)?$/s.test(text)) return 'interpolated';
  // A shell takes `$2` and `$1`, and leaves the letter of the version and the second digit of the cost.
  if (/^[aby]\d(?:[./$].*)?$/s.test(text)) return 'shell-expanded';
  // A short text that shares the salt of a known hash lost a character inside; that is no truncation.
  const kin = known.some((hash) => hash.reveal().slice(0, 29) === text.slice(0, 29));
  return BEGINNING.test(text) && text.length < BCRYPT_LENGTH && !kin ? 'truncated' : 'other';
}

/**
 * Says how a text that should be a bearer came to be no bcrypt hash. `known` are the good hashes met
 * elsewhere: a damage is named by comparing with them, before the form alone is looked at.
 */
export function diagnoseBearer(text: string, known: readonly Secret[]): BearerDiagnosis {
  const wrapped = unwrapped(text);
  if (wrapped !== undefined) {
    return { length: text.length, hint: wrapped.hint, meant: new Secret(wrapped.meant) };
  }
  return damaged(text, known) ?? { length: text.length, hint: byForm(text, known) };
}
