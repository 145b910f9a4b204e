/** How often, and after which pause, a child that died is started again (container.md §3). */
export interface RestartPolicy {
  /** So many restarts within the window; none further. */
  most: number;
  windowMs: number;
  /** The first pause; each further one in the window is twice as long, up to the longest. */
  firstMs: number;
  longestMs: number;
}

/** A pause is longer or shorter by up to a fifth, so that many containers do not start at once. */
const JITTER = 0.2;

/** Counts the restarts of the window that has just gone by. */
export class Restarts {
  readonly #policy: RestartPolicy;
  #times: number[] = [];

  constructor(policy: RestartPolicy) {
    this.#policy = policy;
  }

  /** Takes one restart out of the budget. Gives the pause before it in ms; undefined where none is left. */
  take(nowMs: number, random = Math.random()): number | undefined {
    const { most, windowMs, firstMs, longestMs } = this.#policy;
    this.#times = this.#times.filter((time) => nowMs - time < windowMs);
    if (this.#times.length >= most) return undefined;
    const pauseMs = Math.min(longestMs, firstMs * 2 ** Math.min(this.#times.length, 30));
    this.#times.push(nowMs);
    return Math.round(pauseMs * (1 + JITTER * (2 * random - 1)));
  }
}
