import { MASK, type Secret } from '../model/secret.ts';

/** A shorter value would black out words of ordinary text (reliability.md §4). */
const MIN_LENGTH = 8;

/** What ten changes of a credential bring along: its bearer, its password; and the key that they come from. */
const MOST_PASSING = 24;

/**
 * The spellings in which a secret can show up in text: as it is, as a shell, Compose, JSON, a URL or a form
 * write it, as hex or base64, and a bcrypt hash without its beginning (reliability.md §4). Longest first.
 */
export function derivedForms(secret: Secret): string[] {
  const value = secret.reveal();
  const bytes = Buffer.from(value, 'utf8');
  const form = new URLSearchParams([['', value]]).toString().slice(1);
  const forms = [
    value,
    value.trim(),
    value.replaceAll('$', '$$$$'),
    value.replaceAll('$', '\\$'),
    value.replaceAll("'", "'\\''"),
    value.replaceAll("'", "\\'"),
    JSON.stringify(value).slice(1, -1),
    // A lone surrogate has no URL form; `form` has a replacement character in its place.
    value.isWellFormed() ? encodeURIComponent(value) : form,
    form,
    bytes.toString('hex'),
    bytes.toString('hex').toUpperCase(),
    bytes.toString('base64'),
    bytes.toString('base64').replace(/=+$/, ''),
    bytes.toString('base64url'),
    value.replace(/^\$2[aby]\$\d\d\$/, ''),
  ];
  return [...new Set(forms)].filter((text) => text.length >= MIN_LENGTH).sort((a, b) => b.length - a.length);
}

/** As latin1 characters, one for each byte, so that a secret is found whatever stands around it. */
const bytesOf = (secret: Secret) =>
  derivedForms(secret).map((form) => Buffer.from(form, 'utf8').toString('latin1'));

const escaped = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

/**
 * The one boundary through which foreign text goes to a log: every known secret, in every derived form,
 * becomes `[secret]`. Secrets can be added while streams are running.
 */
export class Redactor {
  #lasting: string[] = [];
  #passing: { secret: Secret; forms: string[] }[] = [];
  #forms: string[] = [];
  #pattern: RegExp | undefined;

  add(...secrets: Secret[]): void {
    this.#lasting = [...new Set([...this.#lasting, ...secrets.flatMap(bytesOf)])];
    this.#compile();
  }

  /** The same for secrets that come and go while we go on: those of long ago make room for the latest. */
  addPassing(...secrets: Secret[]): void {
    const others = this.#passing.filter(({ secret }) => !secrets.some((one) => one.equals(secret)));
    const added = secrets.map((secret) => ({ secret, forms: bytesOf(secret) }));
    this.#passing = [...others, ...added].slice(-MOST_PASSING);
    this.#compile();
  }

  #compile(): void {
    const passing = this.#passing.flatMap(({ forms }) => forms);
    this.#forms = [...new Set([...this.#lasting, ...passing])].sort((a, b) => b.length - a.length);
    this.#pattern =
      this.#forms.length === 0 ? undefined : new RegExp(this.#forms.map(escaped).join('|'), 'g');
  }

  /** A whole text without its secrets. */
  redact(text: string): string {
    return Buffer.from(this.#replace(Buffer.from(text, 'utf8').toString('latin1')), 'latin1').toString(
      'utf8',
    );
  }

  /** For a stream of chunks: a secret that lies across their borders is found too. */
  stream(): RedactingStream {
    return new RedactingStream({
      replace: (text) => this.#replace(text),
      undecided: (text) => this.#undecided(text),
    });
  }

  #replace(text: string): string {
    return this.#pattern === undefined ? text : text.replace(this.#pattern, MASK);
  }

  /** How many characters at the end may be the beginning of a secret: a whole one is never among them. */
  #undecided(text: string): number {
    const longest = Math.min(text.length, (this.#forms[0]?.length ?? 1) - 1);
    for (let length = longest; length > 0; length--) {
      const end = text.slice(-length);
      if (this.#forms.some((form) => form.length > length && form.startsWith(end))) return length;
    }
    return 0;
  }
}

interface Rules {
  replace(text: string): string;
  undecided(text: string): number;
}

class RedactingStream {
  readonly #rules: Rules;
  #held = '';

  constructor(rules: Rules) {
    this.#rules = rules;
  }

  /** What of the stream so far can be shown now; at most a secret's length is held back. */
  write(chunk: Uint8Array): Buffer {
    const text = this.#rules.replace(this.#held + Buffer.from(chunk).toString('latin1'));
    const shown = text.length - this.#rules.undecided(text);
    this.#held = text.slice(shown);
    return Buffer.from(text.slice(0, shown), 'latin1');
  }

  /** What was held back; the beginning of a secret stays hidden where it is long enough to matter. */
  end(): Buffer {
    const rest = this.#held.length >= MIN_LENGTH ? MASK : this.#held;
    this.#held = '';
    return Buffer.from(rest, 'latin1');
  }
}
