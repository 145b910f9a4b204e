import type { Credential } from '../model/credential.ts';
import { Exit, Failure } from '../model/failure.ts';
import type { ServiceLayout } from '../model/layout.ts';
import { Secret } from '../model/secret.ts';
import type { ProbeReport } from '../probe/check.ts';
import { checkRefusals } from '../probe/gate.ts';
import { askGuard, type GuardReload, type GuardTarget, reloadThroughGuard } from '../probe/guard.ts';
import { checkUntilSaid } from '../probe/until-said.ts';
import { NOT_RELOADED, notTaken } from '../report/reload-words.ts';
import { NotBegun } from '../service/driver.ts';
import { isWorthAsking, lookForGuard } from './live-guard.ts';
import { addressOf, type GateRequest } from './question.ts';
import type { World } from './world.ts';

/** A service whose server may be told to read its PASSWORD anew. */
export interface Reloadable {
  service: ServiceLayout;
  /** Bearers of which one is live, or stands in PASSWORD; the one of before comes first. */
  bearers?: (() => Promise<readonly Secret[]>) | undefined;
  /** Ends the whole command. */
  signal?: AbortSignal | undefined;
}

/**
 * Whether a server can be reloaded. `stranger`: its guard answers, and does not know the bearer that it should; `open`:
 * it lets in who has none, and is shown none.
 */
export type GuardState = 'ready' | 'unsupported' | 'absent' | 'stranger' | 'silent' | 'open';

/** A server that is at work answers late; who says nothing for longer is not reloaded. */
const ASK_MS = 5_000;
const RELOAD_MS = 15_000;

/** No bearer at all. */
const NONE = new Secret('');

function targetOf(
  { service, signal }: Reloadable,
  request: GateRequest,
  world: World,
): Omit<GuardTarget, 'bearer'> {
  const { origin } = service;
  return {
    url: addressOf(service, request),
    clock: world.clock,
    ...(origin !== undefined && { origin }),
    ...(signal !== undefined && { signal }),
  };
}

/** What a server says to who has no credential: a bearer is shown only to one that is worth asking. */
const checkWithout = (job: Reloadable, tryMs: number, request: GateRequest, world: World) =>
  checkRefusals({ ...targetOf(job, request, world), tryMs });

/** Why a server is shown no bearer. */
function lackOf({ status }: ProbeReport): 'open' | 'silent' | 'absent' {
  if (status === 'open') return 'open';
  return status === 'down' || status === 'not-ready' ? 'silent' : 'absent';
}

/**
 * Asks the server of a service for its guard: without a bearer first, then with the one that it should know. Rejects
 * where the signal is aborted.
 */
export async function askForGuard(
  job: Reloadable,
  bearer: Secret | undefined,
  request: GateRequest,
  world: World,
): Promise<GuardState> {
  const tryMs = Math.min(ASK_MS, request.timeoutMs);
  const target = targetOf(job, request, world);
  const first = await askGuard({ ...target, bearer: NONE, tryMs });
  if (first.guard === 'absent') return 'absent';
  if (first.guard === 'unknown' && first.answers !== true) return 'silent';
  const answered = await checkWithout(job, tryMs, request, world);
  if (!isWorthAsking(answered)) return lackOf(answered);
  const bounds = { timeoutMs: tryMs, ...(job.signal !== undefined && { signal: job.signal }) };
  const report = await lookForGuard(job.service, target.url, bearer, answered, bounds, world);
  if (report.guard === 'present') return report.reload ? 'ready' : 'unsupported';
  if (report.guard === 'absent') return 'absent';
  return report.answers === true ? 'stranger' : 'silent';
}

function whyNot(answer: Exclude<GuardReload, { credential: string }>): string {
  if (answer.result !== 'refused') return NOT_RELOADED[answer.result];
  return answer.code === 'unauthorized' ? NOT_RELOADED.unauthorized : notTaken(answer.code);
}

function failureOf(why: string, { restart }: ServiceLayout, isUntouched: boolean): Failure {
  return new (isUntouched ? NotBegun : Failure)({
    code: 'reload-failed',
    exit: Exit.rolledBack,
    message: `the reload of the live server failed: ${why}`,
    remedy:
      restart.driver === 'none'
        ? 'start ComfyUI anew, then: comfyui-auth deploy'
        : 'comfyui-auth deploy --restart auto',
  });
}

/**
 * Has the live server read its PASSWORD anew; gives the bearers that it has to refuse from then on. Throws a Failure
 * (exit 5) `reload-failed`, `NotBegun` where the server is known to hold what it held; rejects where the signal is
 * aborted.
 */
export async function reload(
  job: Reloadable,
  credential: Credential | undefined,
  request: GateRequest,
  world: World,
): Promise<Secret[]> {
  const { name } = job.service;
  const tryMs = Math.min(RELOAD_MS, request.timeoutMs);
  const answered = await checkWithout(job, tryMs, request, world);
  if (!isWorthAsking(answered)) {
    const lack = lackOf(answered);
    // The proof finds it open, and ends it.
    if (lack === 'open') return [];
    throw failureOf(NOT_RELOADED[lack === 'silent' ? 'silent' : 'foreign'], job.service, true);
  }
  const bearers = (await job.bearers?.()) ?? [];
  let answer: GuardReload = { result: 'unknown' };
  let isUntouched = bearers.length > 0;
  for (const bearer of bearers) {
    answer = await reloadThroughGuard({ ...targetOf(job, request, world), bearer, tryMs });
    // What was not answered may have been done.
    if (answer.result === 'unknown') isUntouched = false;
    else if (answer.result !== 'refused' || answer.code !== 'unauthorized') break;
  }
  if (answer.result !== 'reloaded' && answer.result !== 'unchanged') {
    throw failureOf(whyNot(answer), job.service, isUntouched);
  }
  const grace = answer.result === 'reloaded' ? answer.graceSeconds : 0;
  const sessions = answer.result === 'reloaded' ? `, its sessions ${answer.sessions}` : '';
  const holds = grace > 0 ? `; the old bearer holds for another ${grace} s` : '';
  world.progress(`${name}: ${answer.result}${sessions}${holds}`);
  if (grace > 0 || credential === undefined) return [];
  return bearers.filter((one) => !one.equals(credential.bearer));
}

/** What a server says to bearers of before: undefined where it refuses them all, else the answer that it should not give. */
export async function askWithOlds(
  job: Reloadable,
  olds: readonly Secret[],
  request: GateRequest,
  world: World,
): Promise<ProbeReport | undefined> {
  const target = targetOf(job, request, world);
  for (const bearer of olds) {
    const report = await checkUntilSaid({ ...target, credential: { username: '', bearer } });
    if (report.status !== 'refused') return report;
  }
  return undefined;
}

/** What is wrong with a server that a reload has proven, and that does not refuse what was before. */
export const oldBearerStands = ({ status }: ProbeReport, service: ServiceLayout): Failure =>
  failureOf(NOT_RELOADED[status === 'proved' ? 'old-accepted' : 'old-unknown'], service, false);
