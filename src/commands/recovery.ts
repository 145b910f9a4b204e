import { isUsableHash } from '../model/bcrypt.ts';
import type { Credential } from '../model/credential.ts';
import { Exit, type ExitCode } from '../model/failure.ts';
import { type Finding, finding } from '../model/finding.ts';
import type { Layout, ServiceLayout } from '../model/layout.ts';
import { recover } from '../store/recover.ts';
import type { StateFolder } from '../store/state.ts';
import { distinctValues, FileSnapshot, type Observation, observe } from './gather.ts';
import { type GateRequest, provable } from './question.ts';
import { type Job, type Outcome, RESTART_GRACE_MS, renew, Turns } from './renew.ts';
import { resolveCredential } from './resolve.ts';
import { type Restored, rollBack, rollbackExit } from './rollout.ts';
import { driverOf } from './service-driver.ts';
import { standingOf } from './standing.ts';
import type { World } from './world.ts';

/** What became of an interrupted command's journal. */
export interface Recovered {
  done: { action: 'cleaned' | 'rolled-back'; command: string };
  /** On services that are not as they were. */
  findings: Finding[];
  /** Those of services that answered without a credential, though they may be as they were now. */
  opened: Finding[];
  exitCode: ExitCode;
}

const USUAL_GATE: GateRequest = { timeoutMs: 120_000, rounds: 3 };

/** A process that nobody has just started answers at once, or not at all. */
const STANDING_MS = 10_000;

/** What may have read files that stand no longer, and cannot be made to read the old ones. */
function unproven(name: string, reason: 'unnamed' | 'no-driver'): Restored {
  const location = { path: name, kind: 'container' as const };
  return { asBefore: false, findings: [finding('unproven', { service: name, location, args: { reason } })] };
}

/**
 * The credential by which a service with these files is known to answer: the one of its PASSWORD file or `.env`, which
 * it reads, before that of any other place. Undefined where no file holds a usable bearer.
 */
export async function deployedCredential(
  service: ServiceLayout,
  observations: readonly Observation[],
  world: World,
): Promise<Credential | undefined> {
  const inputs = { service, observations, outer: undefined, key: undefined, world };
  const { username, password } = await resolveCredential(inputs);
  const read = observations.find((one) => one.location.kind === 'password-file')?.location ?? service.env;
  const bearer = distinctValues(observations, 'bearer', read?.path).find((one) =>
    isUsableHash(one.value.reveal()),
  )?.value;
  if (bearer === undefined) return undefined;
  return provable({ username, bearer, ...(password !== undefined && { password }) }, world);
}

/**
 * How a service stands that nothing restarts. One that refuses may have read what stands no longer: where its guard
 * runs, it is told to read what stands.
 */
async function standsOrReloaded(
  job: Job,
  credential: Credential | undefined,
  gate: GateRequest,
  world: World,
): Promise<Outcome> {
  const brief = { ...gate, timeoutMs: Math.min(gate.timeoutMs, STANDING_MS) };
  const standing = await standingOf(job, credential, brief, world);
  if (standing.status !== 'refused' || credential === undefined) return standing;
  const reloaded = await renew(job, 'reload', credential, brief, world);
  if (reloaded.untouched === true) return standing;
  // What was not answered may have been done.
  return reloaded.restartFailed ? standingOf(job, credential, brief, world) : reloaded;
}

/** Starts and proves a service whose files an interrupted command had changed, and that were put back. */
async function bringBack(
  service: ServiceLayout,
  wasRunning: boolean,
  root: string,
  gate: GateRequest,
  world: World,
): Promise<Restored> {
  const previous = () => deployedCredential(service, observe(service, new FileSnapshot()), world);
  const driver = driverOf(service, root, world, gate.timeoutMs + RESTART_GRACE_MS, [], gate.timeoutMs);
  const job = { service, driver, turns: new Turns(), signal: gate.signal };
  if (driver.name === 'none') {
    const credential = await previous();
    const bearers = async () => (credential === undefined ? [] : [credential.bearer]);
    const outcome = await standsOrReloaded({ ...job, bearers }, credential, gate, world);
    if (outcome.status === 'proved') return { outcome, asBefore: true, findings: [] };
    const { findings, ...rest } = unproven(service.name, 'no-driver');
    return { ...rest, outcome, findings: [...outcome.findings, ...findings] };
  }
  // What the interrupted command had done to the container is not known: a new one reads everything anew.
  const action = driver.name === 'compose' ? 'recreate' : 'restart';
  return rollBack({ ...job, wasRunning, previous, action, instead: 'none' }, gate, world);
}

/**
 * Finishes or undoes what an interrupted command left: files first, then the services that had been told to read the
 * new ones, which pass the gate again. Undefined where there was nothing. The lock must be held. Throws a Failure as
 * `recover` does; rejects where the signal is aborted, and leaves the journal then.
 */
export async function recoverFirst(
  layout: Layout,
  state: StateFolder,
  gate: Partial<GateRequest> & { services?: readonly string[] },
  world: World,
): Promise<Recovered | undefined> {
  const recovery = recover(state);
  const { action, command = 'sync' } = recovery;
  if (action === 'none') return undefined;
  const { url, services = [], ...common } = { ...USUAL_GATE, ...gate };
  // The address that was given is the one of the services that were meant.
  const requestFor = ({ name }: ServiceLayout): GateRequest =>
    url !== undefined && (services.includes(name) || layout.services.length === 1)
      ? { ...common, url }
      : common;
  const restored: Restored[] = [];
  for (const { name, running } of recovery.services) {
    const service = layout.services.find((one) => one.name === name);
    world.progress(`${name}: "${command}" was interrupted; its files are put back`);
    const back =
      service === undefined
        ? unproven(name, 'unnamed')
        : await bringBack(service, running, layout.root, requestFor(service), world);
    if (!back.asBefore) world.progress(`${name}: it is NOT as it was before`);
    restored.push(back);
  }
  recovery.finish();
  const troubled = restored.some((one) => !one.asBefore || one.outcome?.wasOpen);
  return {
    done: { action, command },
    findings: restored.flatMap((one) => one.findings),
    opened: restored.flatMap(({ outcome }) => (outcome?.wasOpen ? outcome.findings : [])),
    exitCode: troubled ? rollbackExit(restored, false) : Exit.ok,
  };
}
