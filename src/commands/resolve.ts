import { isPlaceholder } from '../env-file/placeholder.ts';
import { costOf, derivedSalt, isUsableHash, randomSalt } from '../model/bcrypt.ts';
import { DEFAULT_USERNAME, isUsableUsername, passwordFault } from '../model/credential.ts';
import { Exit, Failure } from '../model/failure.ts';
import { type Finding, finding, type Place } from '../model/finding.ts';
import { diagnoseBearer } from '../model/forensics.ts';
import type { ServiceLayout } from '../model/layout.ts';
import type { Secret } from '../model/secret.ts';
import { PASSWORD_FAULTS } from '../report/messages-credential.ts';
import { distinctValues, type KnownValue, type Observation } from './gather.ts';
import type { SourceParts } from './sources.ts';
import type { World } from './world.ts';

/** The credential that the source and the deployed files give for one service, as far as it is known. */
export interface Resolution {
  source: SourceParts['kind'] | 'none';
  username: string;
  password?: Secret;
  bearer?: Secret;
  /** Where the bearer came from; `new` is made by `sync` alone, `unknown` is compared with nothing. */
  bearerFrom: 'source' | 'deployed' | 'derived' | 'new' | 'unknown';
  pair: 'verified' | 'mismatch' | 'unknown';
  /** What keeps `sync` from writing: it refuses, and `audit` reports. */
  obstacles: Finding[];
}

interface Inputs {
  service: ServiceLayout;
  observations: readonly Observation[];
  outer: SourceParts | undefined;
  key: Secret | undefined;
  world: World;
}

/** Where the authority's values stand, for findings on them. */
function authorityPlace(inputs: Inputs): Place {
  const path = inputs.service.authority ?? inputs.service.env?.path ?? inputs.service.name;
  const location = inputs.observations.find((one) => one.location.path === path)?.location;
  return { path, kind: location?.kind ?? 'file' };
}

/** The real values (no placeholders) of a part that stand at the authority. */
function atAuthority(inputs: Inputs, part: 'username' | 'password' | 'bearer'): KnownValue[] {
  const { path } = authorityPlace(inputs);
  return distinctValues(
    inputs.observations.filter((one) => one.location.path === path),
    part,
    path,
  ).filter((one) => !isPlaceholder(one.value.reveal()));
}

/** Throws for secrets that were handed in and cannot be used: nothing is written on their ground. */
function checkHandedIn(source: SourceParts, known: readonly Secret[]): void {
  const refuse = (code: string, message: string, remedy: string): never => {
    throw new Failure({ code, exit: Exit.usage, message: `${source.origin}: ${message}`, remedy });
  };
  const { username = DEFAULT_USERNAME } = source;
  if (!isUsableUsername(username) || isPlaceholder(username)) {
    refuse(
      'username-unusable',
      'the user name has blanks at its ends or a line end, or is a placeholder',
      'give a real user name of one line',
    );
  }
  const fault = source.password === undefined ? undefined : passwordFault(source.password);
  if (fault === 'too-long') {
    refuse(
      'password-too-long',
      'the password has more than 72 bytes, which bcrypt does not look at',
      'choose a shorter one',
    );
  } else if (fault !== undefined) {
    refuse('password-unusable', `the password ${PASSWORD_FAULTS[fault]}`, 'choose another one');
  }
  if (source.password !== undefined && isPlaceholder(source.password.reveal())) {
    refuse('placeholder', 'the password is a placeholder', 'hand in the real one');
  }
  const cost = source.bearer === undefined ? undefined : costOf(source.bearer.reveal());
  if (source.bearer !== undefined && cost !== undefined && !isUsableHash(source.bearer.reveal())) {
    refuse(
      'bearer-costly',
      `the bearer has bcrypt cost ${cost}: comparing with it takes from half a minute to days`,
      'hand in the password alone: a bearer of the usual cost follows from it',
    );
  }
  if (source.bearer !== undefined && cost === undefined) {
    const { length, hint } = diagnoseBearer(source.bearer.reveal(), known);
    refuse(
      'bearer-malformed',
      `the bearer is no bcrypt hash: ${length} characters instead of 60 (${hint})`,
      'hand in the whole hash, exactly as it stands in login/PASSWORD',
    );
  }
}

/** The source that supplies the credential: the outer one, else the authority's parts. */
function chooseSource(inputs: Inputs): SourceParts | undefined {
  if (inputs.outer !== undefined) return inputs.outer;
  const password = atAuthority(inputs, 'password')[0]?.value;
  const bearers = atAuthority(inputs, 'bearer');
  const bearer = bearers.find((one) => isUsableHash(one.value.reveal()))?.value;
  if (password === undefined && bearer === undefined) return undefined;
  const username = atAuthority(inputs, 'username')
    .find((one) => isUsableUsername(one.value.reveal()))
    ?.value.reveal();
  return {
    kind: 'authority',
    origin: authorityPlace(inputs).path,
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...(bearer !== undefined && { bearer }),
  };
}

/** Deployed plaintexts that disagree where nobody named the one to keep (contract.md, Which bearer stands). */
function dispute(inputs: Inputs): Finding[] {
  const candidates = inputs.service.authorityDeclared
    ? atAuthority(inputs, 'password')
    : distinctValues(inputs.observations, 'password', authorityPlace(inputs).path);
  const real = candidates.filter((one) => !isPlaceholder(one.value.reveal()));
  if (real.length < 2) return [];
  return real.slice(1).flatMap(({ places }) =>
    places.map(({ path, key }) =>
      finding('password-drift', {
        service: inputs.service.name,
        location: { path, kind: 'file', ...(key !== undefined && { key }) },
        args: { disputed: true },
      }),
    ),
  );
}

/** The bearer for a password that came alone: a deployed one that it verifies, else derived, else new. */
async function bearerFor(
  password: Secret,
  username: string,
  inputs: Inputs,
): Promise<Pick<Resolution, 'bearer' | 'bearerFrom'>> {
  const deployed = distinctValues(inputs.observations, 'bearer', authorityPlace(inputs).path)
    .map((one) => one.value)
    .filter((value) => isUsableHash(value.reveal()));
  const verdicts = await inputs.world.bcrypt.verifyAll(deployed.map((bearer) => [password, bearer] as const));
  const kept = deployed.find((_, i) => verdicts[i]);
  if (kept !== undefined) return { bearer: kept, bearerFrom: 'deployed' };
  if (inputs.key === undefined) return { bearerFrom: 'new' };
  const salt = derivedSalt(inputs.key, inputs.service.name, username);
  return { bearer: await inputs.world.bcrypt.hash(password, salt), bearerFrom: 'derived' };
}

/** The deployed user name: the authority's, else the first one found, else `admin`. */
function deployedUsername(inputs: Inputs): string {
  const names = distinctValues(inputs.observations, 'username', authorityPlace(inputs).path);
  const name = names
    .map((one) => one.value.reveal())
    .find((one) => isUsableUsername(one) && !isPlaceholder(one));
  return name ?? DEFAULT_USERNAME;
}

/** A pair of the authority that does not fit together keeps everything from being written. */
function mismatch(inputs: Inputs, source: SourceParts): Finding {
  if (source.kind !== 'authority') {
    throw new Failure({
      code: 'pair-mismatch',
      exit: Exit.usage,
      message: `${source.origin}: the bearer is not the hash of the password (service ${inputs.service.name})`,
      remedy: 'hand in a pair that belongs together, or the password alone: the bearer then follows from it',
    });
  }
  return finding('pair-mismatch', { service: inputs.service.name, location: authorityPlace(inputs) });
}

/** An authority's password that bcrypt could not take. */
function unusable(inputs: Inputs, password: Secret): Finding | undefined {
  const fault = passwordFault(password);
  if (fault === undefined) return undefined;
  return finding(fault === 'too-long' ? 'password-too-long' : 'password-unusable', {
    service: inputs.service.name,
    location: authorityPlace(inputs),
    args: { fault },
  });
}

/** Every secret that the sources and the files hold, good or damaged; placeholders are none. */
function heldSecrets({ observations, outer, key }: Inputs): Secret[] {
  const deployed = (['password', 'bearer'] as const).flatMap((part) =>
    distinctValues(observations, part, undefined).map((one) => one.value),
  );
  return [outer?.password, outer?.bearer, key, ...deployed]
    .filter((one) => one !== undefined)
    .filter((one) => !isPlaceholder(one.reveal()));
}

/**
 * Decides which credential stands for a service (contract.md, "Which bearer stands"). Computes no new bearer.
 * Throws a Failure (exit 2) where what was handed in cannot be used.
 */
export async function resolveCredential(inputs: Inputs): Promise<Resolution> {
  const { world } = inputs;
  for (const secret of heldSecrets(inputs)) world.learned?.(secret);
  const resolution = await decide(inputs);
  // One that was derived stands in no file yet.
  if (resolution.bearer !== undefined) world.learned?.(resolution.bearer);
  return resolution;
}

async function decide(inputs: Inputs): Promise<Resolution> {
  const source = chooseSource(inputs);
  const username = source?.username ?? deployedUsername(inputs);
  if (source === undefined) {
    return { source: 'none', username, bearerFrom: 'unknown', pair: 'unknown', obstacles: [] };
  }
  const known = distinctValues(inputs.observations, 'bearer', undefined).map((one) => one.value);
  const obstacles = source.kind === 'authority' ? dispute(inputs) : [];
  if (source.kind !== 'authority')
    checkHandedIn(
      source,
      known.filter((one) => isUsableHash(one.reveal())),
    );
  const { password, bearer } = source;
  const base = { source: source.kind, username, ...(password !== undefined && { password }) };
  const fault = password === undefined ? undefined : unusable(inputs, password);
  if (fault !== undefined) obstacles.push(fault);
  if (password === undefined) {
    return {
      ...base,
      ...(bearer !== undefined && { bearer }),
      bearerFrom: 'source',
      pair: 'unknown',
      obstacles,
    };
  }
  if (bearer === undefined) {
    const chosen = await bearerFor(password, username, inputs);
    return { ...base, ...chosen, pair: chosen.bearer === undefined ? 'mismatch' : 'verified', obstacles };
  }
  if (await inputs.world.bcrypt.verify(password, bearer)) {
    return { ...base, bearer, bearerFrom: 'source', pair: 'verified', obstacles };
  }
  obstacles.push(mismatch(inputs, source));
  return { ...base, bearer, bearerFrom: 'source', pair: 'mismatch', obstacles };
}

/** The bearer to write: what stands, or a fresh one for a password that has none. */
export async function settledBearer(resolution: Resolution, world: World): Promise<Secret | undefined> {
  if (resolution.bearer !== undefined || resolution.password === undefined) return resolution.bearer;
  const bearer = await world.bcrypt.hash(resolution.password, randomSalt());
  world.learned?.(bearer);
  return bearer;
}
