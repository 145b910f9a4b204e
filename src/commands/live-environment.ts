import { decodeEnv } from '../env-file/decode.ts';
import { type ReadValue, readersFor } from '../env-file/readers/index.ts';
import { isBcryptHash } from '../model/bcrypt.ts';
import { ALIASES, type Part } from '../model/credential.ts';
import { type Finding, type FindingArgs, finding } from '../model/finding.ts';
import type { EnvFileLocation, ServiceLayout } from '../model/layout.ts';
import { fingerprint, type Secret } from '../model/secret.ts';
import type { Container } from '../service/container.ts';
import type { Observation } from './gather.ts';
import type { Resolution } from './resolve.ts';

/** Names of variables that hold a secret: one that is old in the container is a fault, not a matter of taste. */
const TELLING = /TOKEN|SECRET|PASSWORD|KEY/i;

/** A user name opens nothing, and a time zone is no credential. */
const isMild = (key: string, part: Part | undefined) =>
  part === 'username' || (part === undefined && !TELLING.test(key));

/** How the environment of a container and the service's `.env` compare. */
export type EnvComparison =
  | { kind: 'no-file' | 'unread' }
  | {
      kind: 'compared';
      /** Keys that both have. */
      shared: string[];
      /** Keys whose value the container was not given by this file. */
      differing: string[];
      /** Keys that the container got from this file, and not as they are meant. */
      mangled: string[];
      findings: Finding[];
    };

/** What each version of Compose that the layout allows takes from the file; undefined where none takes it. */
function readings(env: EnvFileLocation, bytes: Buffer): Map<string, ReadValue>[] | undefined {
  const decoded = decodeEnv(bytes);
  if (!decoded.ok) return undefined;
  const named = env.readers.filter((one) => one.name === 'compose' || one.name === 'compose-v1');
  const models = (named.length > 0 ? named : [{ name: 'compose' as const }]).flatMap(readersFor);
  const outcomes = models.map((one) => one.read(decoded.text));
  const taken = outcomes.flatMap((one) => (one.ok ? [one.values] : []));
  return taken.length > 0 ? taken : undefined;
}

/** The part of the credential that a variable holds, by the layout or by its name. */
export function partOf(key: string, env: EnvFileLocation | undefined): Part | undefined {
  const table: Readonly<Record<string, Part>> = env?.keys ?? {};
  if (Object.hasOwn(table, key)) return table[key];
  return Object.hasOwn(ALIASES, key) ? ALIASES[key] : undefined;
}

/** Fingerprints of what is there and of what should be, for bearers of the right shape. */
export function fingerprints(found: Secret, expected: Secret | undefined): FindingArgs {
  if (expected === undefined || !isBcryptHash(found.reveal()) || !isBcryptHash(expected.reveal())) return {};
  return { found: fingerprint(found), expected: fingerprint(expected) };
}

/** A key whose value in the container is another one than any Compose would take from the file. */
function differs(value: Secret, read: readonly (ReadValue | undefined)[]): boolean {
  const known = read.filter((one) => one !== undefined);
  if (known.some((one) => one.value === value.reveal())) return false;
  // What a shell or the host adds is not known here.
  return known.every((one) => one.unstable === undefined);
}

/**
 * Compares the keys that both the container and the `.env` have, by what Compose takes from the file: what counts is
 * what the container would be given now.
 */
export function compareEnvironment(
  service: ServiceLayout,
  container: Container,
  observations: readonly Observation[],
  resolution: Resolution,
): EnvComparison {
  const { env } = service;
  const observation = observations.find((one) => one.location === env);
  if (env === undefined || observation?.file.kind === 'missing') return { kind: 'no-file' };
  if (observation?.file.kind !== 'file') return { kind: 'unread' };
  const taken = readings(env, observation.file.bytes);
  if (taken === undefined) return { kind: 'unread' };
  const shared = [...container.env].filter(([key]) => taken.some((values) => values.has(key)));
  const differing: string[] = [];
  const mangled: string[] = [];
  const findings: Finding[] = [];
  for (const [key, value] of shared) {
    const part = partOf(key, env);
    const place = { path: container.name, kind: 'container', key } as const;
    if (
      differs(
        value,
        taken.map((values) => values.get(key)),
      )
    ) {
      differing.push(key);
      const expected = part === 'bearer' ? resolution.bearer : undefined;
      findings.push(
        finding('container-env-drift', {
          service: service.name,
          ...(isMild(key, part) && { severity: 'warning' as const }),
          location: place,
          args: { key, ...fingerprints(value, expected) },
        }),
      );
    } else if (part === 'bearer' && resolution.bearer !== undefined && !isBcryptHash(value.reveal())) {
      mangled.push(key);
      const lengths = { receives: value.reveal().length, wrote: resolution.bearer.reveal().length };
      const location = { path: env.path, kind: 'env-file', key } as const;
      const args = { key, reader: 'compose', ...lengths };
      findings.push(finding('value-mangled', { service: service.name, location, args }));
    }
  }
  return { kind: 'compared', shared: shared.map(([key]) => key), differing, mangled, findings };
}
