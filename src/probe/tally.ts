import type { ProbeStatus } from './check.ts';
import type { Round } from './round.ts';

const FIRST_PAUSE_MS = 50;

/** Between two good rounds: long enough to meet a server that is not the same twice. */
const BETWEEN_ROUNDS_MS = 50;

/**
 * A refusal that comes within `NEAR_MS` came from this machine or one beside it, where to be refused costs a fraction of
 * a millisecond: there the next try follows soon, for a start is to be seen when it happens. What answers, if only
 * with 5xx, works for each answer, and what is far away is no business of ours twenty times a second: there the
 * pause grows.
 */
const NEAR_MS = 10;
const NEAR_PAUSE_MS = 50;

/** A credential refused in this many rounds in a row will not be accepted by waiting. */
const SETTLED_ROUNDS = 2;

/** Counts rounds in a row that one process answered: the good ones, and those that cannot get better. */
export class Tally {
  good = 0;
  last: Round | undefined;
  #settled = 0;
  #process: string | undefined;

  /** Says who will answer next; another process starts the counts anew. */
  meet(process: string | undefined): void {
    if (process !== this.#process) {
      this.good = 0;
      this.#settled = 0;
    }
    this.#process = process;
  }

  /** Whether no further round can be better. */
  get isSettled(): boolean {
    return this.#settled >= SETTLED_ROUNDS;
  }

  /** Counts a round; one during which the process changed counts for neither. */
  count(round: Round, process: string): void {
    this.last = round;
    if (process !== this.#process) {
      this.meet(process);
      return;
    }
    this.good = round.status === 'proved' ? this.good + 1 : 0;
    if (round.settled === 'now') this.#settled = SETTLED_ROUNDS;
    else this.#settled = round.settled === undefined ? 0 : this.#settled + 1;
  }
}

/** The pause after each round: it grows while nothing changes, with jitter so that gates do not knock in step. */
export class Pace {
  readonly #longestMs: number;
  #nextMs = FIRST_PAUSE_MS;
  #status: ProbeStatus | undefined;

  constructor(longestMs: number) {
    this.#longestMs = longestMs;
  }

  after(round: Round): number {
    if (round.status !== this.#status) this.#nextMs = FIRST_PAUSE_MS;
    this.#status = round.status;
    if (round.status === 'proved') return Math.min(BETWEEN_ROUNDS_MS, this.#longestMs);
    const jitter = 0.75 + Math.random() / 2;
    if (round.absentAfterMs !== undefined && round.absentAfterMs <= NEAR_MS)
      return Math.min(NEAR_PAUSE_MS, this.#longestMs) * jitter;
    const pause = Math.min(this.#nextMs, this.#longestMs) * jitter;
    this.#nextMs = Math.min(this.#nextMs * 1.5, this.#longestMs);
    return Math.max(pause, round.retryAfterMs);
  }
}
