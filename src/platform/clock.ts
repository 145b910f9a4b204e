import { setTimeout as wait } from 'node:timers/promises';

/** Time, passed in so that tests and faces can choose it. */
export interface Clock {
  now(): Date;
  /** Milliseconds since some fixed moment; never goes back. */
  monotonicMs(): number;
  /** Resolves after `ms`; rejects with the signal's reason where it is aborted first. */
  wait(ms: number, signal?: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  now: () => new Date(),
  monotonicMs: () => performance.now(),
  wait: (ms, signal) => wait(ms, undefined, signal === undefined ? {} : { signal }),
};
