import * as core from '@actions/core';
import { Exit, Failure } from '../model/failure.ts';
import { Secret } from '../model/secret.ts';
import { derivedForms } from '../platform/redact.ts';

/** The runner masks by plain substring: a shorter value would black out ordinary words, and guard nothing. */
const MIN_LENGTH = 8;

/**
 * Masks secrets in every form in which they could show up: each line of each, in all derived spellings
 * (reliability.md §4). Comes before anything is awaited or printed. Throws a Failure (exit 2) for one that is too short.
 */
export function maskSecrets(secrets: ReadonlyMap<string, string>): void {
  const short: string[] = [];
  for (const [name, text] of secrets) {
    if (text.trim() === '') continue;
    if (text.trim().length < MIN_LENGTH) short.push(name);
    for (const line of new Set([text, ...text.split(/\r?\n/)])) {
      for (const form of derivedForms(new Secret(line))) core.setSecret(form);
    }
  }
  if (short.length === 0) return;
  throw new Failure({
    code: 'secret-too-short',
    exit: Exit.usage,
    message: `${short.join(', ')}: fewer than ${MIN_LENGTH} characters, which the runner cannot mask`,
    remedy: 'choose a longer secret',
  });
}
