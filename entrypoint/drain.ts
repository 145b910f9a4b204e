import type { Secret } from '../src/model/secret.ts';
import type { Clock } from '../src/platform/clock.ts';
import { readAddress } from '../src/probe/address.ts';
import { ask, type ProbeRequest } from '../src/probe/request.ts';
import type { Log } from './log.ts';

/** No answer is waited for longer than this: a stop must not hang on a server that hangs. */
const TRY_MS = 1000;

const PAUSE_MS = 200;

/** Whom to ask, and as whom. */
export interface DrainTarget {
  url: string;
  origin?: string;
  /** Absent where the server is meant to be open. */
  bearer?: Secret;
}

export interface DrainOptions {
  /** On the clock's monotonic time: when what is left in the queue is given up. */
  untilMs: number;
  /** Ends the wait at once. */
  signal: AbortSignal;
  clock: Clock;
  log: Log;
}

/**
 * Waits until ComfyUI has nothing left to do; what is left at the end of the time is cleared and interrupted
 * (container.md §2). A server that does not tell is not waited for. Does not throw.
 */
export async function drain(target: DrainTarget, options: DrainOptions): Promise<void> {
  const { clock, untilMs, signal, log } = options;
  let said = false;
  try {
    for (;;) {
      const remaining = await queueRemaining(target, options);
      if (remaining === undefined || remaining === 0) return;
      if (clock.monotonicMs() >= untilMs) {
        log.warning('drained', `gave up ${remaining} prompt${remaining === 1 ? '' : 's'} in the queue`);
        await post(target, '/queue', { clear: true }, options);
        await post(target, '/interrupt', {}, options);
        return;
      }
      if (!said) {
        const seconds = Math.round((untilMs - clock.monotonicMs()) / 1000);
        log.info('draining', `${remaining} in the queue; waiting for them up to ${seconds} s`, { remaining });
      }
      said = true;
      await clock.wait(PAUSE_MS, signal);
    }
  } catch (error) {
    // Only the signal: whoever aborts it goes on by itself.
    if (!signal.aborted) throw error;
  }
}

/** What ComfyUI still has to do; undefined where it does not say so. */
async function queueRemaining(target: DrainTarget, options: DrainOptions): Promise<number | undefined> {
  const answer = await ask(requestOf(target, '/prompt', options), options.clock);
  if (answer.kind !== 'reply' || answer.status !== 200) return undefined;
  try {
    const { exec_info } = JSON.parse(answer.body) as { exec_info?: { queue_remaining?: unknown } };
    const remaining = exec_info?.queue_remaining;
    return typeof remaining === 'number' && remaining >= 0 ? remaining : undefined;
  } catch {
    return undefined;
  }
}

async function post(target: DrainTarget, path: string, body: object, options: DrainOptions): Promise<void> {
  const request = requestOf(target, path, options);
  const headers = { ...request.headers, 'content-type': 'application/json' };
  await ask({ ...request, method: 'POST', headers, body: JSON.stringify(body) }, options.clock);
}

function requestOf({ url, origin, bearer }: DrainTarget, path: string, options: DrainOptions): ProbeRequest {
  return {
    method: 'GET',
    url: readAddress(url).at(path),
    headers: {
      ...(origin !== undefined && { origin }),
      ...(bearer !== undefined && { authorization: `Bearer ${bearer.reveal()}` }),
    },
    timeoutMs: TRY_MS,
    signal: options.signal,
  };
}
