import { createHash, timingSafeEqual } from 'node:crypto';

/** What stands where a secret would be shown. */
export const MASK = '[secret]';

/**
 * A value that must not be printed. Every way of turning it into text gives `[secret]`;
 * `reveal()` is called only where bytes leave for a file, a request or a child's stdin.
 */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  /** The plain text. Never hand the result to anything that prints. */
  reveal(): string {
    return this.#value;
  }

  /** Compares in constant time (for equal lengths) with another secret. */
  equals(other: Secret): boolean {
    const a = Buffer.from(this.#value);
    const b = Buffer.from(other.#value);
    return a.length === b.length && timingSafeEqual(a, b);
  }

  toString(): string {
    return MASK;
  }

  toJSON(): string {
    return MASK;
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return MASK;
  }
}

/**
 * The name by which a bearer may be spoken of: the first 8 hex digits of its SHA-256.
 * Never to be used on a password: eight digits are enough to test guesses.
 */
export function fingerprint(bearer: Secret): string {
  return createHash('sha256').update(bearer.reveal()).digest('hex').slice(0, 8);
}
