import type { Clock } from '../src/platform/clock.ts';
import type { Child } from './child.ts';
import { type DrainTarget, drain } from './drain.ts';
import type { Exposure } from './exposure.ts';
import type { Health } from './health.ts';
import type { Log } from './log.ts';

/** ComfyUI ends within 1.6 s of SIGINT (container.md §2): so much of the grace is kept for that. */
const END_MS = 4000;

export interface StopOptions {
  /** From now to SIGKILL. */
  graceMs: number;
  /** Ends the child at once. */
  force: AbortSignal;
  /** Why, for health.json. */
  reason: string;
  /** Absent where there is nothing that could be waited for: ComfyUI was not serving. */
  draining: DrainTarget | undefined;
  expose: Exposure;
  clock: Clock;
  health: Health;
  log: Log;
}

/**
 * Ends a child as ComfyUI understands it: no new connections, its queue to its end, SIGINT, and SIGKILL after the
 * grace (container.md §2). Gives its exit code.
 */
export async function stopChild(child: Child, options: StopOptions): Promise<number> {
  const { graceMs, force, reason, draining, expose, clock, health, log } = options;
  const started = clock.monotonicMs();
  const kill = () => child.signal('SIGKILL');
  force.addEventListener('abort', kill);
  const timer = setTimeout(kill, graceMs);
  const waiting = new AbortController();
  const ended = child.ended.finally(() => waiting.abort());
  try {
    if (force.aborted) kill();
    expose.close();
    if (draining !== undefined) {
      health.enter('DRAINING', { reason });
      const untilMs = started + Math.max(0, graceMs - END_MS);
      await drain(draining, { untilMs, signal: waiting.signal, clock, log });
    }
    health.enter('STOPPING', { reason });
    child.signal('SIGINT');
    return await ended;
  } finally {
    clearTimeout(timer);
    force.removeEventListener('abort', kill);
  }
}
