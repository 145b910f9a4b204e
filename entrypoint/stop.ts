import type { Child } from './child.ts';

export type StopSignal = 'SIGTERM' | 'SIGINT' | 'SIGHUP';

/** Says that the container was asked to stop: the way out of whatever is being waited for. */
export class StopAsked extends Error {}

/**
 * Turns what ends a container into what ComfyUI understands (container.md §2): it stops cleanly at SIGINT alone.
 * A second SIGTERM, or the end of the grace, kills.
 */
export class Stopper {
  readonly #asked = new AbortController();
  readonly #graceMs: number;
  #child: Child | undefined;

  constructor(graceMs: number) {
    this.#graceMs = graceMs;
  }

  /** Aborted, with a `StopAsked`, at the first signal. */
  get asked(): AbortSignal {
    return this.#asked.signal;
  }

  /** From now on this child is what is to be stopped. */
  attach(child: Child): void {
    this.#child = child;
    if (this.asked.aborted) this.stop();
  }

  /** A signal came from outside. */
  receive(signal: StopSignal): void {
    const again = this.asked.aborted;
    this.#asked.abort(new StopAsked(`stopped by ${signal}`));
    if (again && signal === 'SIGTERM') this.#child?.signal('SIGKILL');
    else this.stop();
  }

  /** Asks the child to end, and kills it after the grace. */
  stop(): void {
    const child = this.#child;
    if (child === undefined) return;
    child.signal('SIGINT');
    const timer = setTimeout(() => child.signal('SIGKILL'), this.#graceMs);
    child.ended.finally(() => clearTimeout(timer));
  }
}
