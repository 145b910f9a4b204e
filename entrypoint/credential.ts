import { secretKeyFault } from '../src/env-file/secret-key.ts';
import { derivedSalt, hashPassword, isBcryptHash, randomSalt, verifies } from '../src/model/bcrypt.ts';
import { type Credential, DEFAULT_USERNAME, isWeakPassword } from '../src/model/credential.ts';
import { Secret } from '../src/model/secret.ts';
import { checkPassword, checkUsername, mangledBearer, mismatch, nothingGiven } from './diagnosis.ts';
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

/** What a decision is carried out with. */
interface Case {
  given: GivenCredential;
  deployed: DeployedCredential | undefined;
  username: string;
  /** The given one, else the deployed one; empty where there is neither. */
  bearer: Secret;
  /** Empty where none was given. */
  password: Secret;
}

type Outcome = Pick<BootCredential, 'origin' | 'warnings'> & { bearer: Secret };

const DECISIONS: Readonly<Record<Decision, (boot: Case) => Outcome>> = {
  'write-bearer': ({ bearer }) => ({ bearer, origin: 'handed in', warnings: [] }),
  'write-bearer-untested': ({ bearer }) => ({
    bearer,
    origin: 'handed in',
    warnings: ['no password was given: the login form cannot be tested'],
  }),
  keep: ({ bearer }) => ({ bearer, origin: 'kept: the password opens it', warnings: [] }),
  'keep-unasked': ({ bearer }) => ({
    bearer,
    origin: 'kept',
    warnings: [
      'no credential was handed in: the one in the PASSWORD file stays, its login form is not tested',
    ],
  }),
  'new-bearer': newBearer,
  'refuse-pair': () => {
    throw mismatch();
  },
  'refuse-mangled': ({ bearer, deployed }) => {
    throw mangledBearer(bearer, deployed === undefined ? [] : [deployed.bearer]);
  },
  'refuse-nothing': () => {
    throw nothingGiven();
  },
};

/**
 * Decides by `BOOT_TABLE`. Throws a `Refusal` (78) with the diagnosis where nothing may be started. `opens` says whether a
 * password is a bearer's: who knows of a pair already need not compute it.
 */
export function decideCredential(
  given: GivenCredential,
  deployed: DeployedCredential | undefined,
  opens = verifies,
): BootCredential {
  if (given.password !== undefined) checkPassword(given.password);
  const username = given.username ?? deployed?.username ?? DEFAULT_USERNAME;
  checkUsername(username);
  const facts = findFacts(given, deployed, opens);
  const row = BOOT_TABLE.find((candidate) => fits(candidate, facts));
  if (row === undefined) throw new Error('the boot table has a gap');
  const none = new Secret('');
  const { bearer, origin, warnings } = DECISIONS[row.does]({
    given,
    deployed,
    username,
    bearer: given.bearer ?? deployed?.bearer ?? none,
    password: given.password ?? none,
  });
  return {
    credential: { username, bearer, ...(given.password !== undefined && { password: given.password }) },
    changed: deployed === undefined || !deployed.bearer.equals(bearer),
    origin,
    warnings: [...weakness(given), ...warnings],
  };
}

function findFacts(
  { bearer, password }: GivenCredential,
  deployed: DeployedCredential | undefined,
  opens: typeof verifies,
): Facts {
  const mangled = bearer !== undefined && !isBcryptHash(bearer.reveal());
  const inQuestion = bearer ?? deployed?.bearer;
  const matches = () =>
    !mangled && password !== undefined && inQuestion !== undefined && opens(password, inQuestion);
  return {
    bearer: bearer === undefined ? 'none' : mangled ? 'mangled' : 'valid',
    password: password === undefined ? 'none' : matches() ? 'matches' : 'differs',
    disk: deployed === undefined ? 'none' : 'valid',
  };
}

const fits = (row: Row, facts: Facts): boolean =>
  (['bearer', 'password', 'disk'] as const).every((fact) => row[fact] === 'any' || row[fact] === facts[fact]);

function newBearer({ given: { secretKey, service }, deployed, username, password }: Case): Outcome {
  const derives = secretKey !== undefined && isUsableSecretKey(secretKey);
  const changed =
    deployed === undefined
      ? 'the token changed: there was none before; clients need the new one'
      : 'the token changed: the password does not open the deployed one; clients need the new token';
  return {
    bearer: hashPassword(password, derives ? derivedSalt(secretKey, service, username) : randomSalt()),
    origin: derives ? `derived from the secret key for the service ${service}` : 'made at random',
    // A derived token that meets no other is the one that all clients have already.
    warnings: derives && deployed === undefined ? [] : [changed],
  };
}

const isUsableSecretKey = (key: Secret): boolean => secretKeyFault(key.reveal()) === undefined;

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
