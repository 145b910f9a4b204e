import type { Credential } from '../model/credential.ts';
import { asFailure, Exit, type ExitCode, type Failure, worstExit } from '../model/failure.ts';
import { type Finding, finding } from '../model/finding.ts';
import type { Restart, RestartAction } from '../service/driver.ts';
import { end } from './ending.ts';
import type { GateRequest } from './question.ts';
import { failureFinding, type Job, type Outcome, renew, unasked } from './renew.ts';
import type { RestartPlan } from './restart-choice.ts';
import { standingOf } from './standing.ts';
import type { World } from './world.ts';

/** A service of a deploy. */
export interface RolloutJob extends Job, RestartPlan {
  /** Whether it ran before: only then a rollback starts it again. */
  wasRunning: boolean;
  /** Why its containers could not be looked at: the action is then a guess. */
  unseen?: Failure | undefined;
  next: Credential | undefined;
  /** Asked for only where it is needed: comparing takes time. */
  previous(): Promise<Credential | undefined>;
}

/**
 * Renews a service; where that was a reload, and is not good, by what starts it anew. One that was open goes no further:
 * it is ended.
 */
async function renewOrElse(
  job: Job & { instead: Restart | 'none' },
  action: RestartAction,
  credential: Credential | undefined,
  isEnough: (outcome: Outcome) => boolean,
  request: GateRequest,
  world: World,
): Promise<Outcome> {
  const outcome = await renew(job, action, credential, request, world);
  const { instead } = job;
  if (action !== 'reload' || instead === 'none' || outcome.wasOpen || isEnough(outcome)) return outcome;
  const reason = outcome.restartFailed ? outcome.findings[0]?.args.reason : undefined;
  const why = reason ?? `the reloaded server is not proven (${outcome.status})`;
  world.progress(`${job.service.name}: ${why}; a ${instead} follows`);
  return renew(job, instead, credential, request, world);
}

const isProved = ({ status }: Outcome) => status === 'proved';

/** One service onto the new files: restarted where it reads what changed, or stands no longer; then proven. */
async function forward(job: RolloutJob, request: GateRequest, world: World): Promise<Outcome> {
  if (job.action !== 'none') return renewOrElse(job, job.action, job.next, isProved, request, world);
  const standing = await standingOf(job, job.next, request, world);
  if (!standing.renewable || job.whenStale === 'none') return standing;
  // A server that was open was ended, or cannot be: there is nothing to reload.
  if (job.whenStale === 'reload' && standing.wasOpen) return standing;
  const renewed = await renew(job, job.whenStale, job.next, request, world);
  if (job.whenStale === 'reload' && renewed.untouched === true) {
    return { ...standing, findings: [...standing.findings, ...renewed.findings] };
  }
  return standing.wasOpen
    ? { ...renewed, wasOpen: true, findings: [...standing.findings, ...renewed.findings] }
    : renewed;
}

export type Outcomes = ReadonlyMap<RolloutJob, Outcome>;

/** Whether all services have given their proof. */
export const allProved = (jobs: readonly RolloutJob[], outcomes: Outcomes): boolean =>
  jobs.every((job) => outcomes.get(job)?.status === 'proved');

/**
 * Brings all services onto the new files, and proves them together. The first that fails ends the rest. Gives the
 * outcomes of those that were begun. Rejects where the request's signal is aborted.
 */
export async function rollForward(
  jobs: readonly RolloutJob[],
  request: GateRequest,
  world: World,
): Promise<Map<RolloutJob, Outcome>> {
  const others = new AbortController();
  const signals = [others.signal, ...(request.signal === undefined ? [] : [request.signal])];
  const bounded = { ...request, signal: AbortSignal.any(signals) };
  const outcomes = new Map<RolloutJob, Outcome>();
  const begun = new Set<RolloutJob>();
  const run = async (job: RolloutJob) => {
    const restarting = () => {
      job.restarting?.();
      begun.add(job);
    };
    try {
      const outcome = await forward({ ...job, restarting }, bounded, world);
      outcomes.set(job, outcome);
      if (outcome.status !== 'proved') others.abort();
    } catch (error) {
      if (request.signal?.aborted) throw error;
      // Another service has failed, or nobody foresaw this: one that was begun is not proven.
      const action = !begun.has(job) ? 'none' : job.action === 'none' ? job.whenStale : job.action;
      const findings = others.signal.aborted ? [] : [failureFinding(asFailure(error), job.service)];
      others.abort();
      outcomes.set(job, { ...unasked(findings), status: 'unknown', action });
    }
  };
  await Promise.all(jobs.map(run));
  return outcomes;
}

/** What worked before gets the time to start, however little was given to what is new. */
const LEAST_ROLLBACK_MS = 10_000;

/** How one service stands after its files were put back. */
export interface Restored {
  outcome?: Outcome;
  /** Whether it is as it was: proven again, or ended as before. */
  asBefore: boolean;
  findings: Finding[];
}

/** What a rollback needs to know of a service. */
export type RollbackJob = Job &
  Pick<RolloutJob, 'wasRunning' | 'previous' | 'instead'> & {
    action: RestartAction;
    /** It could not be made to read the new files: the process of before runs on. */
    untouched?: boolean | undefined;
  };

/** How a service goes back: one that was ended by force comes back as a new container only. */
export function rollbackJob(job: RolloutJob, outcome: Outcome): RollbackJob {
  const { service, driver, turns, signal, bearers, wasRunning, previous } = job;
  const again = driver.name === 'compose' ? 'recreate' : 'restart';
  const isManual = driver.name === 'none' && outcome.action === 'reload';
  const action = outcome.stopped === undefined || isManual ? outcome.action : again;
  const instead = driver.name === 'none' ? 'none' : again;
  const { untouched } = outcome;
  return { service, driver, turns, signal, bearers, wasRunning, previous, action, instead, untouched };
}

/** A service that was left stopped, or could not be. */
export function leftStopped({ service: { name } }: Job, certain: boolean): Finding {
  const location = { path: name, kind: 'container' as const };
  const severity = certain ? 'error' : 'critical';
  return finding('left-stopped', { service: name, location, args: { certain }, severity });
}

/** Ends a service for good. `certain` tells whether it is known to have ended. */
async function leaveStopped(
  job: Job,
  request: GateRequest,
  world: World,
  outcome?: Outcome,
): Promise<{ certain: boolean; finding: Finding }> {
  const certain = outcome?.stopped ?? (await end(job, request, world));
  // What ends the command leaves the journal: the next one goes on with it.
  job.signal?.throwIfAborted();
  return { certain, finding: leftStopped(job, certain) };
}

/** Proven, or closed where the old files hold no credential by which it could be proven. */
const isGood = ({ status, closed }: Outcome) => status === 'proved' || closed === true;

/**
 * One service back onto the old files, which stand again: restarted and proven, or ended where it did not run before.
 * One that cannot be proven is left stopped, unless it is known to be closed. Rejects where the signal is aborted.
 */
export async function rollBack(job: RollbackJob, given: GateRequest, world: World): Promise<Restored> {
  const request = { ...given, timeoutMs: Math.max(given.timeoutMs, LEAST_ROLLBACK_MS) };
  request.signal?.throwIfAborted();
  if (!job.wasRunning) {
    const { certain, finding } = await leaveStopped(job, request, world);
    return { asBefore: certain, findings: certain ? [] : [finding] };
  }
  // A process that was told nothing goes on with what it read before.
  if (job.action === 'none') return { asBefore: true, findings: [] };
  const previous = await job.previous();
  if (job.untouched === true) {
    // A restart that did not even begin is no reason to end what still works.
    const standing = await standingOf(job, previous, request, world);
    if (isGood(standing)) return { outcome: standing, asBefore: true, findings: [] };
    // Told nothing, and restarted by nobody: whatever is amiss there is not of this command.
    if (job.driver.name === 'none' && !standing.wasOpen) {
      return { outcome: standing, asBefore: true, findings: standing.findings };
    }
  }
  world.progress(`${job.service.name}: back to the old files`);
  const renewed = await renewOrElse(job, job.action, previous, isGood, request, world);
  // A command, or a reload, may have failed before, or after, it did its work: what then stands has been told to read the old files.
  const isDoubtful = renewed.restartFailed === true && job.driver.name !== 'compose';
  const outcome = isDoubtful ? await standingOf(job, previous, request, world) : renewed;
  if (isGood(outcome)) return { outcome, asBefore: true, findings: outcome.closed ? outcome.findings : [] };
  // Closed to everybody is safe, and sessions go on; all else could turn out to be open.
  if (outcome.status === 'refused') return { outcome, asBefore: false, findings: outcome.findings };
  const { certain, finding } = await leaveStopped(job, request, world, outcome);
  const findings = [...outcome.findings, finding];
  return { outcome: { ...outcome, stopped: certain }, asBefore: false, findings };
}

/**
 * A service that was renewed and is not proven, where no file was changed: there is nothing to go back to. One that is
 * known to be closed goes on; all else is left stopped.
 */
export async function settle(
  job: RolloutJob,
  outcome: Outcome,
  request: GateRequest,
  world: World,
): Promise<Restored> {
  const untouched = outcome.action === 'none' && !outcome.wasOpen;
  if (untouched || outcome.status === 'proved' || outcome.status === 'refused') {
    return { asBefore: true, findings: [] };
  }
  const { certain, finding } = await leaveStopped(job, request, world, outcome);
  const asBefore = certain && !job.wasRunning;
  return { asBefore, findings: asBefore ? [] : [finding] };
}

/**
 * Ends what may have read new files that could not be taken back, unless it is known to be closed; gives of each such
 * service whether it has certainly ended. Does not throw.
 */
export async function endUnproven(
  outcomes: Outcomes,
  request: GateRequest,
  world: World,
): Promise<Map<RolloutJob, boolean>> {
  const isLoose = ({ status, action, wasOpen, untouched }: Outcome) =>
    status !== 'refused' && untouched !== true && (action !== 'none' || wasOpen);
  const loose = [...outcomes].filter(([, one]) => isLoose(one));
  return new Map(
    await Promise.all(
      loose.map(
        async ([job, { stopped }]) => [job, stopped === true || (await end(job, request, world))] as const,
      ),
    ),
  );
}

/** The exit code of services that were put back: 6 where one is not as before, 4 where any was open. */
export function rollbackExit(restored: readonly Restored[], wasOpen: boolean): ExitCode {
  const codes: ExitCode[] = [Exit.rolledBack];
  if (wasOpen || restored.some((one) => one.outcome?.wasOpen)) codes.push(Exit.open);
  if (restored.some((one) => !one.asBefore)) codes.push(Exit.notRestored);
  return worstExit(codes);
}
