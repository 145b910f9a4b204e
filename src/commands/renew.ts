import type { Credential } from '../model/credential.ts';
import { Failure } from '../model/failure.ts';
import { type Finding, finding } from '../model/finding.ts';
import type { ServiceLayout } from '../model/layout.ts';
import { fingerprint, type Secret } from '../model/secret.ts';
import type { Check, ProbeReport, ProbeStatus } from '../probe/check.ts';
import type { GuardReport } from '../probe/guard.ts';
import { type Container, identityOf } from '../service/container.ts';
import { NotBegun, type RestartAction, type ServiceDriver } from '../service/driver.ts';
import { ContainerWatch } from '../service/watch.ts';
import { end } from './ending.ts';
import { answeredFindings, lookForGuard } from './live-guard.ts';
import { addressOf, ask, type GateRequest } from './question.ts';
import { askWithOlds, oldBearerStands, type Reloadable, reload } from './reload.ts';
import { driverArgs } from './server-finding.ts';
import type { World } from './world.ts';

/** Lets one restart after another happen: two at once in one compose project stand in each other's way. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve();

  take<T>(act: () => Promise<T>): Promise<T> {
    const mine = this.#last.then(act);
    this.#last = mine.catch(() => undefined);
    return mine;
  }
}

/** A service that is to read its files again. */
export interface Job extends Reloadable {
  driver: ServiceDriver;
  /** Shared by all services of a command. */
  turns: Turns;
  /** The process that ran when the command began, where that is known. */
  identity?: string | undefined;
  /** Hears that it is about to be made to read its files, and that it was, before it is asked. */
  restarting?(): void;
  restarted?(): void;
}

/** What came of one service: its proof, or why there is none. */
export interface Outcome {
  status: ProbeStatus;
  checks: Check[];
  findings: Finding[];
  action: RestartAction;
  /** When the process that was asked was started, where that is known. */
  startedAt?: string;
  readyAfterMs?: number;
  /** Whether it answered without a credential at any moment. */
  wasOpen: boolean;
  /** Set where it was ended: whether it is certainly ended. */
  stopped?: boolean;
  /** It could not be made to read its files; `untouched` where the process of before is known to run on. */
  restartFailed?: true;
  untouched?: boolean;
  /** It keeps out who has no credential, and none is known by which it could be proven. */
  closed?: true;
}

/** Stopping a container may take its grace before the new one is made: that is not the gate's time. */
export const RESTART_GRACE_MS = 30_000;

/** What is known of a service that was not asked. */
export const unasked = (findings: Finding[] = []) => ({ checks: [], findings, wasOpen: false });

/** A failure of the engine or of a restart as a finding; its message has no secret. */
export function failureFinding({ message, remedy }: Failure, { name }: ServiceLayout): Finding {
  const location = { path: name, kind: 'container' as const };
  return finding('restart-failed', { service: name, location, args: { reason: message, remedy } });
}

/** What became of containers that do not answer any more. */
function containerFindings(containers: readonly Container[], service: ServiceLayout): Finding[] {
  return containers.flatMap(({ name, status, restarts, exitCode, outOfMemory }) => {
    const location = { path: name, kind: 'container' as const };
    const args = { exitCode, oom: outOfMemory, ...driverArgs(service.restart) };
    if (restarts > 0 && status !== 'paused') {
      return [
        finding('container-restarting', { service: service.name, location, args: { ...args, restarts } }),
      ];
    }
    return status === 'exited' || status === 'dead'
      ? [finding('container-exited', { service: service.name, location, args })]
      : [];
  });
}

/** A server that takes a bearer for a while only: its guard has been told of another one. */
function staleFinding(
  { name, locations }: ServiceLayout,
  credential: Credential,
  guard: GuardReport,
): Finding | undefined {
  const place = locations.find((one) => one.kind === 'password-file');
  const isLive = guard.guard !== 'present' || guard.credential === fingerprint(credential.bearer);
  if (isLive || place === undefined) return undefined;
  const location = { path: place.path, kind: place.kind };
  return finding('stale-process', { service: name, location, args: { guard: true } });
}

interface Found {
  service: ServiceLayout;
  url: string;
  credential: Credential | undefined;
  report: ProbeReport;
}

/** What a server's answers come to, beside what its guard tells of itself. */
async function found(
  { service, url, credential, report }: Found,
  request: GateRequest,
  world: World,
): Promise<{ findings: Finding[]; isStale: boolean }> {
  // Where nothing is known to restart it, another deploy would be no remedy.
  const manual = service.restart.driver === 'none' && { manual: true };
  const told = report.findings.map(({ code, args }) => ({ code, args: { ...args, ...manual } }));
  const guard = await lookForGuard(service, url, credential?.bearer, report, request, world);
  const findings = answeredFindings(service, url, told, guard);
  const isProved = report.status === 'proved' && credential !== undefined;
  const stale = isProved ? staleFinding(service, credential, guard) : undefined;
  return { findings: stale ? [...findings, stale] : findings, isStale: stale !== undefined };
}

/**
 * Asks a service for its proof, and ends it at once where it is open. With `watch` only one process counts. `olds` are
 * bearers that it has to refuse.
 */
export async function proof(
  job: Job,
  credential: Credential | undefined,
  request: GateRequest,
  world: World,
  watch?: ContainerWatch,
  olds: readonly Secret[] = [],
): Promise<Omit<Outcome, 'action'>> {
  const { service } = job;
  const url = addressOf(service, request);
  const identity = watch && ((sure: boolean) => watch.identity(sure));
  let report: ProbeReport;
  try {
    const question = { service, url, ...(credential !== undefined && { credential }) };
    report = await ask(question, request, world, identity);
  } catch (error) {
    request.signal?.throwIfAborted();
    if (!(error instanceof Failure)) throw error;
    return { ...unasked([failureFinding(error, service)]), status: 'unknown' };
  }
  const old = report.status === 'proved' ? await askWithOlds(job, olds, request, world) : undefined;
  if (old?.status === 'open') report = old;
  const open = report.status === 'open';
  // Before anything else: every moment more, anyone may come in.
  const stopped = open ? await end(job, request, world) : undefined;
  const { findings, isStale } = await found({ service, url, credential, report }, request, world);
  const ended = report.status === 'proved' ? [] : containerFindings(watch?.seen ?? [], service);
  const startedAt = watch?.seen[0]?.startedAt?.toISOString();
  const stands = old === undefined || open ? [] : [failureFinding(oldBearerStands(old, service), service)];
  return {
    // When the grace is over it refuses: nobody is to count on it.
    status: isStale ? 'refused' : stands.length > 0 ? 'unknown' : report.status,
    checks: report.checks,
    findings: [...ended, ...findings, ...stands],
    wasOpen: open,
    ...(startedAt !== undefined && { startedAt }),
    ...(report.readyAfterMs !== undefined && { readyAfterMs: report.readyAfterMs }),
    ...(stopped !== undefined && { stopped }),
    ...(report.closed && { closed: report.closed }),
  };
}

/** Whether the process of before still runs. Does not throw. */
async function isUntouched({ driver, identity, signal }: Job): Promise<boolean> {
  if (identity === undefined) return false;
  try {
    return identityOf(await driver.containers(signal)) === identity;
  } catch {
    return false;
  }
}

const DOING = { recreate: 'recreating it', restart: 'restarting it', reload: 'reloading it' } as const;

/** Makes a service read its files again and asks it for its proof. Rejects where the signal is aborted. */
export async function renew(
  job: Job,
  action: RestartAction,
  credential: Credential | undefined,
  request: GateRequest,
  world: World,
): Promise<Outcome> {
  const { service, driver } = job;
  let olds: readonly Secret[] = [];
  if (action !== 'none') {
    try {
      olds = await job.turns.take(async () => {
        request.signal?.throwIfAborted();
        job.restarting?.();
        world.progress(`${service.name}: ${DOING[action]}`);
        // Once begun it is not cut off because another service has failed: nobody could say what it had done.
        if (action === 'reload') return reload(job, credential, request, world);
        await driver.restart(action, job.signal);
        return [];
      });
    } catch (error) {
      job.signal?.throwIfAborted();
      if (!(error instanceof Failure)) throw error;
      const findings = [failureFinding(error, service)];
      // A reload leaves the process, whatever it has read.
      const isSame = async () => action !== 'reload' && (await isUntouched(job));
      const untouched = error instanceof NotBegun || (await isSame());
      return { ...unasked(findings), action, status: 'down', restartFailed: true, untouched };
    }
    job.restarted?.();
  }
  const look = () => driver.containers(request.signal);
  const watch = driver.name === 'compose' ? new ContainerWatch(look, world.clock) : undefined;
  return { ...(await proof(job, credential, request, world, watch, olds)), action };
}
