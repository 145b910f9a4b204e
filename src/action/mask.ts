import * as core from '@actions/core';
import { ALIASES } from '../model/credential.ts';
import { Exit, Failure } from '../model/failure.ts';
import { Secret } from '../model/secret.ts';
import { derivedForms } from '../platform/redact.ts';
import type { RawSecrets } from './inputs.ts';

/** The runner masks by plain substring: a shorter value would black out ordinary words, and guard nothing. */
const MIN_LENGTH = 8;

/** Variables of the step that may hold a part of the credential or a key. */
const STEP_SECRETS = ['COMFYUI_PASSWORD', 'COMFYUI_BEARER_TOKEN', 'COMFYUI_AUTH_SECRET_KEY', 'SECRET_KEY'];

/** Whether a variable's name says that its value is a secret. */
const namesSecret = (name: string) => /(?:^|_)(?:TOKEN|SECRET|PASSWORD|KEY)S?(?:_|$)/i.test(name);

const masked = new Set<string>();

/**
 * Masks a text in every form in which it could show up: each of its lines, in all derived spellings
 * (reliability.md §4). What is too short for the runner stays as it is.
 */
export function mask(text: string): void {
  for (const line of [text, ...text.split(/\r?\n/)]) {
    for (const form of derivedForms(new Secret(line))) {
      if (!masked.has(form)) core.setSecret(form);
      masked.add(form);
    }
  }
}

/**
 * Masks all that the step hands in: the inputs, the variables of the credential under all their names, and those
 * that are to be reconciled. Comes before anything is awaited or printed. Throws a Failure (exit 2) for a secret
 * that is too short to be masked; a variable whose name speaks of no secret may be short, e.g. a GPU's number.
 */
export function maskStep(raw: RawSecrets, variables: readonly string[], env: NodeJS.ProcessEnv): void {
  // A name such as "constructor" is inherited by every object.
  const valueIn = (name: string) => (Object.hasOwn(env, name) && env[name]) || '';
  for (const name of [...Object.keys(ALIASES), ...variables]) mask(valueIn(name));
  const secrets = [
    ['input "password"', raw.password],
    ['input "bearer-token"', raw.bearer],
    ['input "secret-key"', raw.secretKey],
    ...[...STEP_SECRETS, ...variables.filter(namesSecret)].map((name) => [name, valueIn(name)] as const),
  ] as const;
  for (const [, text] of secrets) mask(text);
  const short = secrets.filter(([, text]) => text.trim() !== '' && text.trim().length < MIN_LENGTH);
  if (short.length === 0) return;
  throw new Failure({
    code: 'secret-too-short',
    exit: Exit.usage,
    message: `${[...new Set(short.map(([name]) => name))].join(', ')}: fewer than ${MIN_LENGTH} characters, which the runner cannot mask`,
    remedy: 'choose a longer secret',
  });
}
