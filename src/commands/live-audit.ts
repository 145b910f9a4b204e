import { isPlaceholder } from '../env-file/placeholder.ts';
import type { PasswordFileContent } from '../locations/password-file.ts';
import { isBcryptHash } from '../model/bcrypt.ts';
import { ALIASES, type Part } from '../model/credential.ts';
import { type Finding, type FindingCode, finding } from '../model/finding.ts';
import type { ServiceLayout } from '../model/layout.ts';
import { fingerprint, Secret } from '../model/secret.ts';
import type { ProbeStatus } from '../probe/check.ts';
import type { Container } from '../service/container.ts';
import type { LocationRow, LocationState } from './assess.ts';
import { containerSteps } from './doctor-container.ts';
import { type Facts, gatherFacts } from './doctor-facts.ts';
import type { Observation } from './gather.ts';
import { insideLook } from './live-container.ts';
import { compareEnvironment, fingerprints, partOf } from './live-environment.ts';
import { answeredFindings } from './live-guard.ts';
import { type PasswordView, passwordInside } from './live-password.ts';
import { addressOf } from './question.ts';
import type { Resolution } from './resolve.ts';
import type { World } from './world.ts';

/** What the running container, or its server, holds of the credential. */
export type LiveRow = Omit<LocationRow, 'kind'> & { kind: 'container' | 'server' };

/** The running service beside its files. */
export interface LiveView {
  rows: LiveRow[];
  findings: Finding[];
  /** Whether the server lets in who has no credential. */
  open: boolean;
}

/** Findings that say that something could not be looked at: no judgement of what is deployed. */
const UNSEEN: readonly FindingCode[] = [
  'engine-unreachable',
  'compose-missing',
  'down',
  'not-ready',
  'redirected',
  'not-comfyui',
];

/** Whether a finding says no more than that something could not be looked at. */
export const saysUnseen = (one: Finding): boolean => UNSEEN.includes(one.code);

const STATE_OF: Record<ProbeStatus, LocationState> = {
  proved: 'ok',
  refused: 'drift',
  open: 'drift',
  down: 'unknown',
  'not-ready': 'unknown',
  unknown: 'unknown',
};

async function passwordState(value: Secret, { bearer, password }: Resolution, world: World) {
  if (isPlaceholder(value.reveal())) return 'malformed';
  if (password !== undefined) return value.equals(password) ? 'ok' : 'drift';
  if (bearer === undefined) return 'unknown';
  return (await world.bcrypt.verify(value, bearer)) ? 'ok' : 'drift';
}

/** What a part that the container was given is, compared with the credential. */
async function stateOf(
  part: Part,
  value: Secret,
  resolution: Resolution,
  world: World,
): Promise<LocationState> {
  const { bearer, source, username } = resolution;
  if (value.reveal() === '') return 'missing';
  if (part === 'password') return passwordState(value, resolution, world);
  if (part === 'username') {
    return source === 'none' ? 'unknown' : value.reveal() === username ? 'ok' : 'drift';
  }
  if (!isBcryptHash(value.reveal())) return 'malformed';
  return bearer === undefined ? 'unknown' : value.equals(bearer) ? 'ok' : 'drift';
}

/** A row for each variable of the container that holds a part of the credential. */
async function environmentView(facts: Facts, container: Container, world: World) {
  const { service, observations, resolution } = facts;
  const compared = compareEnvironment(service, container, observations, resolution);
  const differing = compared.kind === 'compared' ? compared.findings : [];
  // What Compose takes out of a value is said of the file already.
  const findings = differing.filter((one) => one.code === 'container-env-drift');
  const rows: LiveRow[] = [];
  const names = new Set([...Object.keys(service.env?.keys ?? {}), ...Object.keys(ALIASES)]);
  for (const key of names) {
    const value = container.env.get(key);
    const part = partOf(key, service.env);
    if (value === undefined || part === undefined) continue;
    const state = await stateOf(part, value, resolution, world);
    const shown = part === 'bearer' && isBcryptHash(value.reveal()) && { fingerprint: fingerprint(value) };
    rows.push({ path: container.name, kind: 'container', key, holds: part, state, ...shown });
    if (state === 'ok' || state === 'unknown' || findings.some((one) => one.args.key === key)) continue;
    findings.push(
      finding('container-env-drift', {
        service: service.name,
        ...(part === 'username' && { severity: 'warning' as const }),
        location: { path: container.name, kind: 'container', key },
        args: { key, ...(part === 'bearer' && fingerprints(value, resolution.bearer)) },
      }),
    );
  }
  return { rows, findings };
}

/** Whether a location of the layout holds the same bytes: then they have been judged there. */
function isJudged(content: PasswordFileContent, observations: readonly Observation[]): boolean {
  return observations.some(({ location, content: held }) => {
    if (location.kind !== 'password-file') return false;
    const bearer = held?.parts.find((one) => one.part === 'bearer')?.value.reveal() ?? '';
    const fault = held?.findings.find((one) => one.code === 'password-file-malformed')?.args.hint;
    return bearer === content.bearer && fault === content.fault;
  });
}

/** What PASSWORD inside the container says, as a state and, where no file of the host says it too, a finding. */
function judgePassword({ place, content }: PasswordView, { service, resolution, observations }: Facts) {
  const on = (code: FindingCode, args: Finding['args'] = {}) =>
    finding(code, { service: service.name, location: place, args });
  const judged = (state: LocationState, ...findings: Finding[]) => ({ state, findings });
  if (content === undefined) return judged('unknown');
  if (content === 'missing') return judged('missing', on('password-file-missing'));
  const told = isJudged(content, observations);
  const { bearer, fault } = content;
  if (fault !== undefined && fault !== 'extra-lines') {
    return judged('malformed', ...(told ? [] : [on('password-file-malformed', { hint: fault })]));
  }
  if (!isBcryptHash(bearer)) return judged('malformed', ...(told ? [] : [drifted(on)]));
  if (resolution.bearer === undefined) return judged('unknown');
  const held = new Secret(bearer);
  if (held.equals(resolution.bearer)) return judged('ok');
  return judged('drift', ...(told ? [] : [drifted(on, fingerprints(held, resolution.bearer))]));
}

const drifted = (
  on: (code: FindingCode, args: Finding['args']) => Finding,
  args: Finding['args'] = {},
): Finding => on('container-env-drift', { key: 'login/PASSWORD', ...args });

async function passwordView(facts: Facts, container: Container, timeoutMs: number, world: World) {
  const view = await passwordInside(facts.service, container, insideLook(world, timeoutMs));
  const { state, findings } = judgePassword(view, facts);
  const held = typeof view.content === 'object' ? view.content.bearer : '';
  const shown = isBcryptHash(held) && { fingerprint: fingerprint(new Secret(held)) };
  const row: LiveRow = { path: view.place.path, kind: 'container', holds: 'credential', state, ...shown };
  return { rows: [row], findings };
}

/** The row of a container that cannot be looked into. */
function absentRows({ engine, service }: Facts): LiveRow[] {
  if (engine.state === 'none') return [];
  const state = engine.state === 'answers' ? 'missing' : 'unknown';
  return [{ path: service.name, kind: 'container', holds: 'credential', state }];
}

/**
 * Compares the running service with its credential: the environment of its container, PASSWORD as the container sees
 * it, and what the server answers. Throws a Failure (exit 2) where address, origin or compose file are unusable.
 */
export async function auditLive(
  service: ServiceLayout,
  { root, resolution }: { root: string; resolution: Resolution },
  timeoutMs: number,
  world: World,
): Promise<LiveView> {
  const url = addressOf(service, { timeoutMs, rounds: 1 });
  const facts = await gatherFacts(service, { root, url, resolution }, timeoutMs, world);
  const { container, server } = facts;
  const views =
    container === undefined
      ? [{ rows: absentRows(facts), findings: [] }]
      : [
          await environmentView(facts, container, world),
          await passwordView(facts, container, timeoutMs, world),
        ];
  const served: LiveRow = { path: url, kind: 'server', holds: 'credential', state: STATE_OF[server.status] };
  const answered = answeredFindings(service, url, server.findings, facts.guard);
  return {
    rows: [...views.flatMap((one) => one.rows), served],
    findings: [
      ...containerSteps(facts).flatMap((one) => one.findings),
      ...views.flatMap((one) => one.findings),
      ...answered,
    ],
    open: server.status === 'open',
  };
}
