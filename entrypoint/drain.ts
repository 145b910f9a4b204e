import type { Secret } from '../src/model/secret.ts';
import type { Clock } from '../src/platform/clock.ts';
import { readAddress } from '../src/probe/address.ts';
import { type Answer, ask } from '../src/probe/request.ts';
import type { Log } from './log.ts';

/** No answer is waited for longer than this: a stop must not hang on a server that hangs. */
const TRY_MS = 1000;

const PAUSE_MS = 200;

/** Whom to ask, and as whom. */
export interface DrainTarget {
  url: string;
  origin?: string;
  /** What ComfyUI may know at this moment, the likelier first; none where the server is meant to be open. */
  bearers(): Secret[];
}

export interface DrainOptions {
  /** On the clock's monotonic time: when what is left in the queue is given up. */
  untilMs: number;
  /** Ends the wait at once. */
  signal: AbortSignal;
  clock: Clock;
  log: Log;
}

/** `over`: nobody is there who could be waited for. `unknown`: it did not tell this time, which is never read as none. */
type Left = number | 'over' | 'unknown';

/**
 * Waits until ComfyUI has nothing left to do; what is left at the end of the time is cleared and interrupted
 * (container.md §2). Does not throw.
 */
export async function drain(target: DrainTarget, options: DrainOptions): Promise<void> {
  const { clock, untilMs, signal, log } = options;
  let said = false;
  try {
    for (;;) {
      const left = await leftToDo(target, options);
      if (left === 0 || left === 'over') return;
      if (clock.monotonicMs() >= untilMs) return await giveUp(left, target, options);
      if (!said) log.info('draining', waitingFor(left, untilMs - clock.monotonicMs()), remaining(left));
      said = true;
      await clock.wait(PAUSE_MS, signal);
    }
  } catch (error) {
    // Only the signal: whoever aborts it goes on by itself.
    if (!signal.aborted) throw error;
  }
}

const remaining = (left: Left) => (typeof left === 'number' ? { remaining: left } : {});

function waitingFor(left: Left, ms: number): string {
  const seconds = Math.round(ms / 1000);
  return left === 'unknown'
    ? `ComfyUI does not say what is in its queue; asking on for up to ${seconds} s`
    : `${left} in the queue; waiting for them up to ${seconds} s`;
}

async function giveUp(left: Left, target: DrainTarget, options: DrainOptions): Promise<void> {
  const what = left === 'unknown' ? 'whatever is' : `${left} prompt${left === 1 ? '' : 's'}`;
  options.log.warning('drained', `gave up ${what} in the queue`, remaining(left));
  await post(target, '/queue', { clear: true }, options);
  await post(target, '/interrupt', {}, options);
}

/** What ComfyUI still has to do. One that refuses us, or the connection, will not tell later either. */
async function leftToDo(target: DrainTarget, options: DrainOptions): Promise<Left> {
  const answer = await send(target, { method: 'GET', path: '/prompt' }, options);
  if (answer.kind === 'silence') return answer.code === 'ECONNREFUSED' ? 'over' : 'unknown';
  if (refuses(answer)) return 'over';
  try {
    const { exec_info } = JSON.parse(answer.body) as { exec_info?: { queue_remaining?: unknown } };
    const count = exec_info?.queue_remaining;
    return typeof count === 'number' && count >= 0 ? count : 'unknown';
  } catch {
    return 'unknown';
  }
}

async function post(target: DrainTarget, path: string, body: object, options: DrainOptions): Promise<void> {
  await send(target, { method: 'POST', path, body: JSON.stringify(body) }, options);
}

const refuses = (answer: Answer) => answer.kind === 'reply' && answer.status >= 300 && answer.status < 500;

/** What is to be asked, beside who asks. */
interface Question {
  method: 'GET' | 'POST';
  path: string;
  body?: string;
}

/** Asks as each that ComfyUI may know, until it does not refuse. */
async function send(target: DrainTarget, question: Question, options: DrainOptions): Promise<Answer> {
  const [first, ...others] = target.bearers();
  let answer = await sendAs(first, target, question, options);
  for (const other of others) {
    if (!refuses(answer)) break;
    answer = await sendAs(other, target, question, options);
  }
  return answer;
}

function sendAs(
  bearer: Secret | undefined,
  { url, origin }: DrainTarget,
  { path, ...request }: Question,
  { signal, clock }: DrainOptions,
): Promise<Answer> {
  const headers = {
    ...(request.body !== undefined && { 'content-type': 'application/json' }),
    ...(origin !== undefined && { origin }),
    ...(bearer !== undefined && { authorization: `Bearer ${bearer.reveal()}` }),
  };
  return ask({ ...request, url: readAddress(url).at(path), headers, timeoutMs: TRY_MS, signal }, clock);
}
