import type { ProbeReport } from '../src/probe/check.ts';
import { checkOnce, type GateProgress, type ProbeTarget, prove } from '../src/probe/gate.ts';
import type { Child } from './child.ts';
import type { Health } from './health.ts';
import type { Log } from './log.ts';
import type { Stopper } from './stop.ts';
import { endedUnproven, messageOf, refusalOf } from './verdict.ts';

/** Good rounds in a row that make the proof (reliability.md §3). */
const ROUNDS = 3;

/** An open server must not answer for long: the pause between two tries stays far below 300 ms. */
const MAX_PAUSE_MS = 50;

/** How often a start that takes long says that it is still going on. */
const PROGRESS_MS = 10_000;

/** A proof that no longer holds is tried again sooner. */
const DEGRADED_INTERVAL_MS = 5000;

export interface Supervision {
  child: Child;
  target: Omit<ProbeTarget, 'signal'>;
  /** The deadline for the proof. */
  timeoutMs: number;
  /** How often the cheap part of the proof is repeated afterwards. */
  intervalMs: number;
  stopper: Stopper;
  health: Health;
  log: Log;
}

/**
 * Watches a child from its start to its end: proves that it is protected, says `ready`, proves it again and
 * again, and kills it where it is open. Gives the child's exit code; throws a `Refusal` (69, 76, 78) where it
 * was stopped for a reason of ours, or ended well before it was proven, which is no success (69).
 */
export async function supervise(supervision: Supervision): Promise<number> {
  const { child, stopper, health, log } = supervision;
  const over = new AbortController();
  const ended = child.ended.finally(() => over.abort());
  const onStop = () => over.abort();
  stopper.asked.addEventListener('abort', onStop);
  if (stopper.asked.aborted) onStop();

  const verdict = await protect(supervision, over.signal);
  if (verdict !== undefined && (verdict.status === 'open' || child.alive())) {
    // First of all: each further moment is one in which anybody can use an open server.
    if (verdict.status === 'open') child.signal('SIGKILL');
    else stopper.stop();
    const refusal = refusalOf(verdict, supervision.target.url);
    health.enter('STOPPING', { reason: refusal.message, checks: verdict.checks });
    await ended;
    throw refusal;
  }
  if (stopper.asked.aborted) {
    health.enter('STOPPING', { reason: 'asked to stop' });
    log.info('stopping', 'asked ComfyUI to stop');
  }
  const proved = health.state === 'READY' || health.state === 'DEGRADED';
  const code = await ended;
  if (code === 0 && !proved && !stopper.asked.aborted) throw endedUnproven();
  return code;
}

/** The report for which the child must not go on; undefined where it has ended or is to be stopped. */
async function protect(supervision: Supervision, over: AbortSignal): Promise<ProbeReport | undefined> {
  try {
    return (await proveStart(supervision, over)) ?? (await keepProving(supervision, over));
  } catch (error) {
    if (over.aborted) return undefined;
    throw error;
  }
}

async function proveStart(supervision: Supervision, over: AbortSignal): Promise<ProbeReport | undefined> {
  const { child, target, timeoutMs, health, log } = supervision;
  const report = await prove({
    ...target,
    rounds: ROUNDS,
    timeoutMs,
    maxPauseMs: MAX_PAUSE_MS,
    signal: over,
    identity: () => (child.alive() ? String(child.pid) : undefined),
    onProgress: tellProgress(supervision),
  });
  if (report.status !== 'proved') return report;
  health.enter('READY', { checks: report.checks });
  const readyAfterMs = Math.round(report.readyAfterMs ?? 0);
  log.info('ready', `protected and answering at ${target.url}, proven after ${readyAfterMs / 1000} s`, {
    url: target.url,
    readyAfterMs,
  });
  for (const found of report.findings) log.warning(found.code, messageOf(found, target.url));
  return undefined;
}

/** Goes from STARTING to VERIFY at the first good round, and says every ten seconds how long it has been. */
function tellProgress({ health, log, target }: Supervision): (progress: GateProgress) => void {
  let nextMs = PROGRESS_MS;
  return ({ elapsedMs, state }) => {
    if (state === 'proved' && health.state === 'STARTING') health.enter('VERIFY');
    if (state !== 'proved' && health.state === 'VERIFY') health.enter('STARTING');
    if (elapsedMs < nextMs) return;
    nextMs = elapsedMs + PROGRESS_MS;
    log.info('starting', `waiting for ${target.url}: ${state} after ${Math.round(elapsedMs / 1000)} s`);
  };
}

/** The cheap part of the proof, for as long as the child lives. Gives the report that finds it open. */
async function keepProving(supervision: Supervision, over: AbortSignal): Promise<ProbeReport | undefined> {
  const { target, intervalMs, health, log } = supervision;
  for (;;) {
    const degraded = health.state === 'DEGRADED';
    await target.clock.wait(degraded ? Math.min(DEGRADED_INTERVAL_MS, intervalMs) : intervalMs, over);
    const report = await checkOnce({ ...target, signal: over });
    const { status, checks } = report;
    if (status === 'open') return report;
    if (status === 'proved') {
      health.enter('READY', { checks });
      if (degraded) log.info('recovered', 'the proof holds again');
    } else {
      const reason = `the proof cannot be repeated: ${report.findings.map((found) => messageOf(found, target.url)).join('; ')}`;
      health.enter('DEGRADED', { checks, reason });
      if (!degraded) log.warning('degraded', reason);
    }
  }
}
