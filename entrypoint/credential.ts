import { isPlaceholder } from '../src/env-file/placeholder.ts';
import {
  derivedSalt,
  hashPassword,
  isBcryptHash,
  MIN_SECRET_KEY_BYTES,
  randomSalt,
  verifies,
} from '../src/model/bcrypt.ts';
import {
  type Credential,
  DEFAULT_USERNAME,
  isUsableUsername,
  isWeakPassword,
  type PasswordFault,
  passwordFault,
} from '../src/model/credential.ts';
import { type BearerHint, diagnoseBearer } from '../src/model/forensics.ts';
import type { Secret } from '../src/model/secret.ts';
import { Refusal } from './exit.ts';
import type { GivenCredential } from './settings.ts';

/** What a PASSWORD file on disk holds, where it holds a good hash. */
export interface DeployedCredential {
  bearer: Secret;
  username?: string;
}

interface Facts {
  bearer: 'none' | 'valid' | 'mangled';
  /** Whether the password opens the bearer in question: the given one, else the deployed one. */
  password: 'none' | 'matches' | 'differs';
  /** A PASSWORD file without a good hash counts as none. */
  disk: 'none' | 'valid';
}

type Decision =
  | 'write-bearer'
  | 'write-bearer-untested'
  | 'keep'
  | 'keep-unasked'
  | 'new-bearer'
  | 'refuse-pair'
  | 'refuse-mangled'
  | 'refuse-nothing';

type Row = { [F in keyof Facts]: Facts[F] | 'any' } & { does: Decision };

/** The table of container.md §4, row for row; the first row that fits decides. */
export const BOOT_TABLE: readonly Row[] = [
  { bearer: 'valid', password: 'none', disk: 'any', does: 'write-bearer-untested' },
  { bearer: 'valid', password: 'matches', disk: 'any', does: 'write-bearer' },
  { bearer: 'valid', password: 'differs', disk: 'any', does: 'refuse-pair' },
  { bearer: 'mangled', password: 'any', disk: 'any', does: 'refuse-mangled' },
  { bearer: 'none', password: 'matches', disk: 'valid', does: 'keep' },
  { bearer: 'none', password: 'differs', disk: 'any', does: 'new-bearer' },
  { bearer: 'none', password: 'none', disk: 'valid', does: 'keep-unasked' },
  { bearer: 'none', password: 'none', disk: 'none', does: 'refuse-nothing' },
];

/** The credential that this boot stands for. */
export interface BootCredential {
  credential: Credential;
  /** Whether the bearer is another than the deployed one: then old sessions must end (container.md F11). */
  changed: boolean;
  /** How the bearer came about, for the log. */
  origin: string;
  /** What the operator should know. */
  warnings: string[];
}

/** Decides by `BOOT_TABLE`. Throws a `Refusal` (78) with the diagnosis where nothing may be started. */
export function decideCredential(
  given: GivenCredential,
  deployed: DeployedCredential | undefined,
): BootCredential {
  if (given.password !== undefined) checkPassword(given.password);
  const username = given.username ?? deployed?.username ?? DEFAULT_USERNAME;
  if (!isUsableUsername(username)) {
    throw new Refusal({
      code: 'username-unusable',
      message: 'COMFYUI_USERNAME is empty, has blanks at an end, or holds a control character',
      remedy: 'set COMFYUI_USERNAME to a name of one line',
    });
  }
  const facts = findFacts(given, deployed);
  const row = BOOT_TABLE.find((candidate) => fits(candidate, facts));
  if (row === undefined) throw new Error('the boot table has a gap');
  const { bearer, origin, warnings } = carryOut(row.does, given, deployed, username);
  return {
    credential: { username, bearer, ...(given.password !== undefined && { password: given.password }) },
    changed: deployed === undefined || !deployed.bearer.equals(bearer),
    origin,
    warnings: [...weakness(given), ...warnings],
  };
}

function findFacts({ bearer, password }: GivenCredential, deployed: DeployedCredential | undefined): Facts {
  const mangled = bearer !== undefined && !isBcryptHash(bearer.reveal());
  const inQuestion = bearer ?? deployed?.bearer;
  const matches = () =>
    !mangled && password !== undefined && inQuestion !== undefined && verifies(password, inQuestion);
  return {
    bearer: bearer === undefined ? 'none' : mangled ? 'mangled' : 'valid',
    password: password === undefined ? 'none' : matches() ? 'matches' : 'differs',
    disk: deployed === undefined ? 'none' : 'valid',
  };
}

const fits = (row: Row, facts: Facts): boolean =>
  (['bearer', 'password', 'disk'] as const).every((fact) => row[fact] === 'any' || row[fact] === facts[fact]);

type Outcome = { bearer: Secret; origin: string; warnings: string[] };

function carryOut(
  decision: Decision,
  given: GivenCredential,
  deployed: DeployedCredential | undefined,
  username: string,
): Outcome {
  const { bearer, password } = given;
  const known = deployed === undefined ? [] : [deployed.bearer];
  if (decision === 'refuse-mangled' && bearer !== undefined) throw mangledBearer(bearer, known);
  if (decision === 'new-bearer' && password !== undefined) {
    return newBearer(password, given, username, deployed !== undefined);
  }
  if (bearer !== undefined) {
    if (decision === 'write-bearer') return { bearer, origin: 'handed in', warnings: [] };
    if (decision === 'write-bearer-untested') {
      return {
        bearer,
        origin: 'handed in',
        warnings: ['no password was given: the login form cannot be tested'],
      };
    }
  }
  if (deployed !== undefined) {
    if (decision === 'keep')
      return { bearer: deployed.bearer, origin: 'kept: the password opens it', warnings: [] };
    if (decision === 'keep-unasked') {
      const warning =
        'no credential was handed in: the one in the PASSWORD file stays, and its login form is not tested';
      return { bearer: deployed.bearer, origin: 'kept', warnings: [warning] };
    }
  }
  throw decision === 'refuse-pair' ? MISMATCH() : NOTHING();
}

function newBearer(password: Secret, given: GivenCredential, username: string, replaces: boolean): Outcome {
  const { secretKey, service } = given;
  const derives = secretKey !== undefined && isUsableSecretKey(secretKey);
  const salt = derives ? derivedSalt(secretKey, service, username) : randomSalt();
  const changed = replaces
    ? 'the token changed: the password does not open the deployed one; clients need the new token'
    : 'the token changed: there was none before; clients need the new one';
  return {
    bearer: hashPassword(password, salt),
    origin: derives ? `derived from the secret key for the service ${service}` : 'made at random',
    warnings: derives && !replaces ? [] : [changed],
  };
}

/** Whether a key is good enough to derive from (contract.md, Derived bearer). */
function isUsableSecretKey(key: Secret): boolean {
  return Buffer.byteLength(key.reveal()) >= MIN_SECRET_KEY_BYTES && !isPlaceholder(key.reveal());
}

function weakness({ password, secretKey }: GivenCredential): string[] {
  const warnings: string[] = [];
  if (password !== undefined && isWeakPassword(password)) {
    warnings.push('COMFYUI_PASSWORD has fewer than 8 characters: it can be guessed');
  }
  if (secretKey !== undefined && !isUsableSecretKey(secretKey)) {
    warnings.push('the secret key is not used: it has fewer than 32 bytes, or is a placeholder');
  }
  return warnings;
}

const PASSWORD_FAULTS: Record<PasswordFault, string> = {
  'too-long': 'has more than 72 bytes: bcrypt looks at no more',
  empty: 'is empty',
  'blank-at-an-end': 'begins or ends with white space',
  'control-character': 'holds a line end or a NUL',
  'lone-surrogate': 'is not well-formed Unicode',
};

function checkPassword(password: Secret): void {
  const fault = passwordFault(password);
  if (fault === undefined) return;
  throw new Refusal({
    code: 'password-unusable',
    message: `COMFYUI_PASSWORD ${PASSWORD_FAULTS[fault]}`,
    remedy: 'set another password: 8 to 72 bytes of one line, without blanks at its ends',
  });
}

const BY_FILE = 'hand it in as a file (COMFYUI_BEARER_TOKEN_FILE), or in single quotes in the .env';
const AS_IT_IS = 'hand in the 60 characters of the hash alone';

const DAMAGE: Record<BearerHint, { what: string; remedy: string }> = {
  truncated: { what: 'it was cut short', remedy: AS_IT_IS },
  'doubled-character': { what: 'one of its characters stands twice', remedy: AS_IT_IS },
  interpolated: { what: 'Compose took `$…` in it for a variable', remedy: BY_FILE },
  'shell-expanded': { what: 'a shell took `$…` in it for variables', remedy: BY_FILE },
  'dollar-doubled': { what: 'its `$` were doubled', remedy: BY_FILE },
  quoted: { what: 'quotes came along with it', remedy: AS_IT_IS },
  prefixed: { what: 'something like `Bearer ` stands before it', remedy: AS_IT_IS },
  'white-space': {
    what: 'white space or a CRLF line end came along with it',
    remedy: 'write it with LF, and no blanks',
  },
  bom: { what: 'a byte order mark stands before it', remedy: 'save the file as UTF-8 without BOM' },
  'key-repeated': { what: 'its own `KEY=` stands before it', remedy: AS_IT_IS },
  other: { what: 'nothing known explains it', remedy: AS_IT_IS },
};

function mangledBearer(bearer: Secret, known: readonly Secret[]): Refusal {
  const { length, hint } = diagnoseBearer(bearer.reveal(), known);
  const { what, remedy } = DAMAGE[hint];
  const size =
    length === 60 ? '60 characters, but not of a bcrypt hash' : `${length} characters instead of 60`;
  return new Refusal({
    code: 'bearer-malformed',
    message: `COMFYUI_BEARER_TOKEN is no bcrypt hash: ${size}; ${what} (${hint})`,
    remedy,
  });
}

const MISMATCH = () =>
  new Refusal({
    code: 'pair-mismatch',
    message:
      'the hash does not belong to the password: COMFYUI_BEARER_TOKEN is not a bcrypt hash of COMFYUI_PASSWORD',
    remedy: 'hand in the pair that belongs together, or COMFYUI_PASSWORD alone',
  });

const NOTHING = () =>
  new Refusal({
    code: 'credential-missing',
    message:
      'there is no credential: neither COMFYUI_PASSWORD nor COMFYUI_BEARER_TOKEN is set, and no PASSWORD file holds a good hash; the first visitor would choose the password',
    remedy: 'set COMFYUI_PASSWORD or COMFYUI_BEARER_TOKEN (or mount one as …_FILE)',
  });
