import { isUsableUsername, passwordFault } from '../src/model/credential.ts';
import { type BearerHint, diagnoseBearer } from '../src/model/forensics.ts';
import type { Secret } from '../src/model/secret.ts';
import { BEARER_DAMAGE, PASSWORD_FAULTS } from '../src/report/messages-credential.ts';
import { Refusal } from './exit.ts';

/** Throws a `Refusal` (78) where bcrypt or the files cannot take the password (reliability.md §1.9). */
export function checkPassword(password: Secret): void {
  const fault = passwordFault(password);
  if (fault === undefined) return;
  throw new Refusal({
    code: 'password-unusable',
    message: `COMFYUI_PASSWORD ${PASSWORD_FAULTS[fault]}`,
    remedy: 'set another password: 8 to 72 bytes of one line, without blanks at its ends',
  });
}

/** Throws a `Refusal` (78) where the name cannot stand in line 2 of a PASSWORD file. */
export function checkUsername(username: string): void {
  if (isUsableUsername(username)) return;
  throw new Refusal({
    code: 'username-unusable',
    message:
      'COMFYUI_USERNAME has white space at an end, a line end or a NUL in it, or is not well-formed Unicode',
    remedy: 'set COMFYUI_USERNAME to a name of one line',
  });
}

const BY_FILE = 'hand it in as a file (COMFYUI_BEARER_TOKEN_FILE), or in single quotes in the .env';
const AS_IT_IS = 'hand in the 60 characters of the hash alone';

/** What to do about it in a container, where that is not simply to hand in the hash alone. */
const REMEDIES: Partial<Record<BearerHint, string>> = {
  interpolated: BY_FILE,
  'shell-expanded': BY_FILE,
  'dollar-doubled': BY_FILE,
  'white-space': 'write it with LF, and no blanks',
  bom: 'save the file as UTF-8 without BOM',
};

/** Says how a bearer came to be no bcrypt hash; `known` are good hashes to compare it with. */
export function mangledBearer(bearer: Secret, known: readonly Secret[]): Refusal {
  const { length, hint } = diagnoseBearer(bearer.reveal(), known);
  const size =
    length === 60 ? '60 characters, but not of a bcrypt hash' : `${length} characters instead of 60`;
  return new Refusal({
    code: 'bearer-malformed',
    message: `COMFYUI_BEARER_TOKEN is no bcrypt hash: ${size}; ${BEARER_DAMAGE[hint]} (${hint})`,
    remedy: REMEDIES[hint] ?? AS_IT_IS,
  });
}

export const mismatch = () =>
  new Refusal({
    code: 'pair-mismatch',
    message:
      'the hash does not belong to the password: COMFYUI_BEARER_TOKEN is not a bcrypt hash of COMFYUI_PASSWORD',
    remedy: 'hand in the pair that belongs together, or COMFYUI_PASSWORD alone',
  });

export const nothingGiven = () =>
  new Refusal({
    code: 'credential-missing',
    message:
      'there is no credential: neither COMFYUI_PASSWORD nor COMFYUI_BEARER_TOKEN is set, and no PASSWORD file holds a good hash; the first visitor would choose the password',
    remedy: 'set COMFYUI_PASSWORD or COMFYUI_BEARER_TOKEN (or mount one as …_FILE)',
  });
