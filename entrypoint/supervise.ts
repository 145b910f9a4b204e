import type { Clock } from '../src/platform/clock.ts';
import type { ProbeReport } from '../src/probe/check.ts';
import type { Child } from './child.ts';
import type { DrainTarget } from './drain.ts';
import { asRefusal } from './exit.ts';
import type { Exposure } from './exposure.ts';
import type { Health } from './health.ts';
import type { Log } from './log.ts';
import type { Signals } from './signals.ts';
import { stopChild } from './stop.ts';
import { refusalOf } from './verdict.ts';
import type { Objection } from './watch.ts';

export interface Supervision {
  child: Child;
  /** Resolves with what is to be said against the child; rejects where its signal is aborted. */
  watch(over: AbortSignal): Promise<Objection>;
  /** Who is asked what is left to do before a stop. */
  draining: DrainTarget;
  /** From a stop to SIGKILL. */
  graceMs: number;
  expose: Exposure;
  signals: Signals;
  health: Health;
  log: Log;
  clock: Clock;
}

/** How a child came to its end. */
export interface ChildEnd {
  /** `reloaded`: ended by us, for another credential. `ended`: by itself, or because the container was asked to stop. */
  how: 'reloaded' | 'ended';
  code: number;
  /** Whether it was ready when it came to its end. */
  ready: boolean;
}

/**
 * Watches a child from its start to its end, and ends it where there is an objection, or the container is asked to
 * stop. Throws a `Refusal` (69, 76, 78) where it must not go on. It does not come back while the child lives.
 */
export async function supervise(supervision: Supervision): Promise<ChildEnd> {
  const { child, signals, expose, health } = supervision;
  const over = new AbortController();
  const ended = child.ended.finally(() => over.abort());
  const onStop = () => over.abort();
  signals.stop.addEventListener('abort', onStop);
  if (signals.stop.aborted) onStop();
  try {
    const objection = await objectionOf(supervision, over.signal);
    const { ready } = health;
    if (objection === 'reload') return { how: 'reloaded', code: await stopServing(supervision), ready };
    if (objection !== undefined && (objection.status === 'open' || child.alive())) {
      return await giveUp(supervision, objection);
    }
    const code = child.alive() && signals.stop.aborted ? await stopServing(supervision) : await ended;
    return { how: 'ended', code, ready };
  } catch (error) {
    expose.end();
    if (child.alive()) await end(supervision, asRefusal(error).message);
    throw error;
  } finally {
    signals.stop.removeEventListener('abort', onStop);
    expose.end();
  }
}

async function objectionOf({ watch }: Supervision, over: AbortSignal): Promise<Objection | undefined> {
  try {
    return await watch(over);
  } catch (error) {
    if (over.aborted) return undefined;
    throw error;
  }
}

/** What must not go on is ended, an open server first of all at once: each further moment anybody can use it. */
async function giveUp(supervision: Supervision, report: ProbeReport): Promise<never> {
  const { child, draining, expose, health } = supervision;
  const open = report.status === 'open';
  if (open) {
    child.signal('SIGKILL');
    expose.end();
  }
  const refusal = refusalOf(report, draining.url);
  health.enter('STOPPING', { reason: refusal.message, checks: report.checks });
  if (open) await child.ended;
  else await end(supervision, refusal.message);
  throw refusal;
}

/** Ends a child that is well, in order. */
async function stopServing(supervision: Supervision): Promise<number> {
  const { signals, health, log, draining } = supervision;
  const asked = signals.stop.aborted;
  log.info('stopping', asked ? 'asked ComfyUI to stop' : 'ending ComfyUI: it gets another credential');
  const reason = asked ? 'asked to stop' : 'restarted for another credential';
  return end(supervision, reason, health.ready ? draining : undefined);
}

const end = (supervision: Supervision, reason: string, draining?: DrainTarget): Promise<number> =>
  stopChild(supervision.child, { ...supervision, force: supervision.signals.force, reason, draining });
