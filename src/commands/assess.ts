import { isPlaceholder } from '../env-file/placeholder.ts';
import { type AnyLocation, type HeldPart, readLocation, slotsOf } from '../locations/index.ts';
import { costOf, isBcryptHash, isUsableHash } from '../model/bcrypt.ts';
import { isWeakPassword } from '../model/credential.ts';
import { type Finding, type FindingArgs, type FindingCode, finding } from '../model/finding.ts';
import type { ServiceLayout } from '../model/layout.ts';
import { fingerprint } from '../model/secret.ts';
import { fileFindings } from './file-findings.ts';
import type { Observation } from './gather.ts';
import { Lineage } from './lineage.ts';
import type { Resolution } from './resolve.ts';
import type { World } from './world.ts';

export type LocationState = 'ok' | 'drift' | 'missing' | 'malformed' | 'unreadable' | 'unknown';

/** One slot of a location in a report (contract.md, JSON, `audit`). */
export interface LocationRow {
  path: string;
  kind: AnyLocation['kind'];
  key?: string;
  holds: 'bearer' | 'password' | 'username' | 'credential';
  state: LocationState;
  /** Only of values of bcrypt shape. */
  fingerprint?: string;
}

export interface Assessment {
  rows: LocationRow[];
  findings: Finding[];
}

/** What a part that stands somewhere is, compared with the credential. */
interface Judgement {
  state: LocationState;
  findings: Finding[];
}

const OK: Judgement = { state: 'ok', findings: [] };

/** Findings that say that a reader gets something else than what was meant. */
const MALFORMING = new Set<FindingCode>([
  'value-mangled',
  'password-file-malformed',
  'conf-malformed',
  'placeholder',
  'key-empty',
]);

class Assessor {
  readonly #service: ServiceLayout;
  readonly #resolution: Resolution;
  readonly #lineage: Lineage;

  constructor(service: ServiceLayout, resolution: Resolution, lineage: Lineage) {
    this.#service = service;
    this.#resolution = resolution;
    this.#lineage = lineage;
  }

  #on(held: HeldPart, code: FindingCode, args: FindingArgs = {}): Finding {
    return finding(code, { service: this.#service.name, location: held.place, args });
  }

  #bearer(held: HeldPart): Judgement {
    const { bearer, password } = this.#resolution;
    if (!isBcryptHash(held.value.reveal())) {
      const { length, hint } = this.#lineage.diagnose(held.value);
      return { state: 'malformed', findings: [this.#on(held, 'bearer-malformed', { length, hint })] };
    }
    if (!isUsableHash(held.value.reveal())) {
      const cost = costOf(held.value.reveal()) ?? 0;
      return { state: 'malformed', findings: [this.#on(held, 'bearer-costly', { cost })] };
    }
    const expected = bearer !== undefined && held.value.equals(bearer);
    if (expected && this.#resolution.pair !== 'mismatch') return OK;
    if (bearer === undefined && password === undefined) return { state: 'unknown', findings: [] };
    const opens = this.#lineage.openedBy(held.value, password);
    if (opens !== undefined) {
      return { state: 'drift', findings: [this.#on(held, 'other-lineage', { verifies: opens })] };
    }
    if (expected) return OK;
    // No bearer fits the password: then each deployed one is simply not its hash.
    if (bearer === undefined) return { state: 'drift', findings: [this.#on(held, 'pair-mismatch')] };
    const args = { found: fingerprint(held.value), expected: fingerprint(bearer) };
    return { state: 'drift', findings: [this.#on(held, 'bearer-drift', args)] };
  }

  #password(held: HeldPart): Judgement {
    const { bearer, password } = this.#resolution;
    if (isPlaceholder(held.value.reveal())) {
      const key = held.place.key ?? '';
      return { state: 'malformed', findings: [this.#on(held, 'placeholder', { key })] };
    }
    if (password !== undefined) {
      return held.value.equals(password)
        ? OK
        : { state: 'drift', findings: [this.#on(held, 'password-drift', { disputed: false })] };
    }
    if (bearer === undefined) return { state: 'unknown', findings: [] };
    return this.#lineage.verified(held.value, bearer)
      ? OK
      : { state: 'drift', findings: [this.#on(held, 'pair-mismatch')] };
  }

  #username(held: HeldPart): Judgement {
    if (this.#resolution.source === 'none') return { state: 'unknown', findings: [] };
    return held.value.reveal() === this.#resolution.username
      ? OK
      : { state: 'drift', findings: [this.#on(held, 'username-drift')] };
  }

  judge(held: HeldPart): Judgement {
    if (held.part === 'bearer') return this.#bearer(held);
    return held.part === 'password' ? this.#password(held) : this.#username(held);
  }
}

/** The worst of several states, in the order in which an operator must care. */
function worstState(states: readonly LocationState[]): LocationState {
  const order: LocationState[] = ['unreadable', 'missing', 'malformed', 'drift', 'unknown'];
  return order.find((state) => states.includes(state)) ?? 'ok';
}

/** The rows and findings of one location. */
function assessLocation(
  observation: Observation,
  resolution: Resolution,
  assessor: Assessor,
  service: ServiceLayout,
): Assessment {
  const { location, file } = observation;
  const findings: Finding[] = [];
  for (const one of fileFindings(location, file, service)) findings.push({ ...one, service: service.name });
  const slots = slotsOf(location);
  const row = { path: location.path, kind: location.kind };
  if (file.kind !== 'file') {
    const state = file.kind === 'missing' ? 'missing' : 'unreadable';
    return { rows: slots.map((slot) => ({ ...row, ...slot, state })), findings };
  }
  // Read again, knowing what is expected: an escaped spelling of it is no fault.
  const content = readLocation(file.bytes, location, resolution);
  for (const one of content.findings) findings.push({ ...one, service: service.name });
  const judged = content.parts.map((held) => ({ held, ...assessor.judge(held) }));
  for (const one of judged) findings.push(...one.findings);
  const broken = (key: string | undefined) =>
    content.findings.some(
      (one) => MALFORMING.has(one.code) && (key === undefined || one.location?.key === key),
    );
  const rows = slots.map((slot): LocationRow => {
    const mine = judged.filter(
      ({ held }) => slot.holds === 'credential' || slot.key === undefined || held.place.key === slot.key,
    );
    const states = mine.map((one) => one.state);
    if (mine.length === 0) states.push(broken(slot.key) ? 'malformed' : 'missing');
    if (broken(slot.key)) states.push('malformed');
    const bearer = mine.find(({ held }) => held.part === 'bearer' && isBcryptHash(held.value.reveal()))?.held;
    return {
      ...row,
      ...slot,
      state: worstState(states),
      ...(bearer !== undefined && { fingerprint: fingerprint(bearer.value) }),
    };
  });
  return { rows, findings };
}

/** Compares everything that a service's locations hold with its credential. Computes what bcrypt it needs. */
export async function assess(
  service: ServiceLayout,
  observations: readonly Observation[],
  resolution: Resolution,
  world: World,
): Promise<Assessment> {
  const lineage = await Lineage.trace(observations, resolution, world.bcrypt);
  const assessor = new Assessor(service, resolution, lineage);
  const parts = observations.map((one) => assessLocation(one, resolution, assessor, service));
  const findings = parts.flatMap((part) => part.findings);
  for (const obstacle of resolution.obstacles) {
    const said = findings.some(
      (one) => one.code === obstacle.code && one.location?.path === obstacle.location?.path,
    );
    if (!said) findings.push(obstacle);
  }
  const { password } = resolution;
  if (password !== undefined && isWeakPassword(password)) {
    findings.push(finding('password-weak', { service: service.name }));
  }
  return { rows: parts.flatMap((part) => part.rows), findings };
}
