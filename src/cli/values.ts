import { InvalidArgumentError } from 'commander';
import { isPlainAddress } from '../model/address.ts';
import { DURATION_FORM, parseDuration } from '../model/duration.ts';
import { SEVERITIES, type Severity } from '../model/finding.ts';
import { parseReaderSpec, READER_NAMES, type ReaderSpec } from '../model/layout.ts';

const MAX_ROUNDS = 100;

/** A time as milliseconds. */
export function duration(text: string): number {
  const ms = parseDuration(text);
  if (ms === undefined) throw new InvalidArgumentError(`${DURATION_FORM}.`);
  return ms;
}

/** A number of rounds, at least one. */
export function rounds(text: string): number {
  const count = Number(text);
  if (!/^\d+$/.test(text) || count < 1 || count > MAX_ROUNDS) {
    throw new InvalidArgumentError(`give a whole number from 1 to ${MAX_ROUNDS}.`);
  }
  return count;
}

/** A severity from which a command fails. */
export function severity(text: string): Severity {
  const known = SEVERITIES.find((one) => one === text);
  if (known === undefined) throw new InvalidArgumentError(`give one of ${SEVERITIES.join(', ')}.`);
  return known;
}

/** An http or https address without credentials in it. */
export function address(text: string): string {
  // The text itself is not repeated: it may hold a password.
  if (!isPlainAddress(text)) {
    throw new InvalidArgumentError('give an http or https address without user and password.');
  }
  return text;
}

/** Adds one value of an option that may be repeated. */
export function repeated(value: string, previous: readonly string[] = []): string[] {
  return [...previous, value];
}

/** Adds one reader of an option that may be repeated. */
export function repeatedReader(value: string, previous: readonly ReaderSpec[] = []): ReaderSpec[] {
  const spec = parseReaderSpec(value);
  if (spec === undefined) {
    throw new InvalidArgumentError(
      `give one of ${READER_NAMES.join(', ')}, or one with a version: compose@2.24+.`,
    );
  }
  return [...previous, spec];
}
