import type { Clock } from '../src/platform/clock.ts';
import type { ProbeReport } from '../src/probe/check.ts';
import { type GateProgress, prove } from '../src/probe/gate.ts';
import type { Child } from './child.ts';
import type { Exposure } from './exposure.ts';
import type { Health } from './health.ts';
import type { LiveReload, Reloaded } from './live-reload.ts';
import type { Log } from './log.ts';
import type { Signals } from './signals.ts';
import { messageOf } from './verdict.ts';

/** Good rounds in a row that make the proof (reliability.md §3). */
const ROUNDS = 3;

/** An open server must not answer for long: who asks twenty times a second gets one answer at most. */
const MAX_PAUSE_MS = 20;

/** How often a start that takes long says that it is still going on. */
const PROGRESS_MS = 10_000;

/** A proof that no longer holds is tried again sooner. */
const DEGRADED_INTERVAL_MS = 5000;

/** A child, and all that watching it takes. */
export interface Watching {
  child: Child;
  /** Knows the credential of the moment, and takes another one over. */
  credentials: LiveReload;
  /** The deadline for the proof. */
  timeoutMs: number;
  /** How often the cheap part of the proof is repeated afterwards. */
  intervalMs: number;
  expose: Exposure;
  signals: Signals;
  health: Health;
  log: Log;
}

/** Why a child must not go on as it is: it was found open or of no use, or it is to get another credential. */
export type Objection = ProbeReport | 'reload';

/**
 * Proves that a child is protected, says `ready`, and proves it again and again. Resolves only with an objection; throws
 * a `Refusal` where the guard is missing that should be there; rejects where `over` is aborted.
 */
export const watch = async (watching: Watching, over: AbortSignal): Promise<Objection> =>
  (await proveStart(watching, over)) ?? (await keepProving(watching, over));

async function proveStart(watching: Watching, over: AbortSignal): Promise<ProbeReport | undefined> {
  const { child, credentials, timeoutMs, expose, health, log } = watching;
  const target = credentials.target();
  const untilMs = target.clock.monotonicMs() + timeoutMs;
  const report = await prove({
    ...target,
    rounds: ROUNDS,
    timeoutMs,
    maxPauseMs: MAX_PAUSE_MS,
    signal: over,
    identity: () => (child.alive() ? String(child.pid) : undefined),
    onProgress: tellProgress(watching),
  });
  if (report.status !== 'proved') return report;
  const holes = report.findings.filter(({ code }) => code === 'open-by-suffix');
  // The guard closes this one.
  if (credentials.guard.expected && holes.length > 0) return { ...report, status: 'open', findings: holes };
  await credentials.guard.meet(untilMs, over);
  await expose.open();
  over.throwIfAborted();
  const guard = credentials.guard.version;
  health.enter('READY', { checks: report.checks, guard });
  const readyAfterMs = Math.round(report.readyAfterMs ?? 0);
  log.info('ready', `protected and answering at ${target.url}, proven after ${readyAfterMs / 1000} s`, {
    url: target.url,
    readyAfterMs,
    guard: guard ?? 'absent',
  });
  for (const found of report.findings) log.warning(found.code, messageOf(found, target.url));
  credentials.begin();
  return undefined;
}

/** Goes from STARTING to VERIFY at the first good round, and says every ten seconds how long it has been. */
function tellProgress({ health, log, credentials }: Watching): (progress: GateProgress) => void {
  const { url } = credentials.target();
  let nextMs = PROGRESS_MS;
  return ({ elapsedMs, state }) => {
    if (state === 'proved' && health.state === 'STARTING') health.enter('VERIFY');
    if (state !== 'proved' && health.state === 'VERIFY') health.enter('STARTING');
    if (elapsedMs < nextMs) return;
    nextMs = elapsedMs + PROGRESS_MS;
    log.info('starting', `waiting for ${url}: ${state} after ${Math.round(elapsedMs / 1000)} s`);
  };
}

/** The cheap part of the proof, for as long as the child lives. Gives the report that finds it open. */
async function keepProving(watching: Watching, over: AbortSignal): Promise<Objection> {
  const { credentials, intervalMs, signals, health, log } = watching;
  const { clock, url } = credentials.target();
  for (;;) {
    const degraded = health.state === 'DEGRADED';
    await reloadOr(clock, degraded ? Math.min(DEGRADED_INTERVAL_MS, intervalMs) : intervalMs, signals, over);
    const report = await proveAgain(watching, over);
    if (report === 'reload' || report.status === 'open') return report;
    const { status, checks, findings } = report;
    if (status === 'proved') {
      await credentials.lookForGuard(over);
      health.enter('READY', { checks, guard: credentials.guard.version });
      if (degraded) log.info('recovered', 'the proof holds again');
    } else {
      const reason = `the proof cannot be repeated: ${findings.map((found) => messageOf(found, url)).join('; ')}`;
      health.enter('DEGRADED', { checks, reason });
      if (!degraded) log.warning('degraded', reason);
    }
  }
}

/** The cheap part of the proof once, with another credential where there is one. */
async function proveAgain(watching: Watching, over: AbortSignal): Promise<Objection> {
  const { credentials, signals, health } = watching;
  const asked = signals.takeReload() || (health.state === 'DEGRADED' && credentials.mend());
  const reloaded = asked ? await reload(watching, over) : 'same';
  // Whoever asks again and again must not keep the proof from being repeated.
  const report = reloaded === 'same' ? await credentials.check(over) : reloaded;
  return report === 'restart' ? 'reload' : report;
}

/** Waits for a time, or until a reload is asked for. */
export async function reloadOr(clock: Clock, ms: number, signals: Signals, over: AbortSignal): Promise<void> {
  over.throwIfAborted();
  const waiting = new AbortController();
  const end = () => waiting.abort();
  over.addEventListener('abort', end);
  void signals.reload().then(end);
  try {
    await clock.wait(ms, waiting.signal).catch(() => undefined);
    over.throwIfAborted();
  } finally {
    over.removeEventListener('abort', end);
  }
}

/** Looks at the credential again. Where nothing changed, or it cannot be used, all goes on as it was. */
async function reload({ credentials, health }: Watching, over: AbortSignal): Promise<Reloaded> {
  const { state } = health;
  health.enter('RELOADING');
  const reloaded = await credentials.reload(over);
  if (reloaded === 'same') health.enter(state);
  return reloaded;
}
