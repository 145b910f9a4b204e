import type { Clock } from '../platform/clock.ts';
import { type Container, identityOf } from './container.ts';

/** How old an answer of the engine may be while nothing hangs on it: each costs the start of a program. */
const FRESH_MS = 400;

/** A container that the engine has restarted this often since we did will not become ready by waiting. */
const MAX_RESTARTS = 3;

/** Says, while the gate asks the server, which process is behind it, and when waiting is in vain. */
export class ContainerWatch {
  readonly #look: () => Promise<Container[]>;
  readonly #clock: Clock;
  #askedAt = Number.NEGATIVE_INFINITY;
  #seen: Container[] = [];

  /** `look` asks the engine for the containers of the service. */
  constructor(look: () => Promise<Container[]>, clock: Clock) {
    this.#look = look;
    this.#clock = clock;
  }

  /** The containers as they were last seen. */
  get seen(): readonly Container[] {
    return this.#seen;
  }

  /** The identity for the gate: undefined where all have ended, or one ends again and again. */
  async identity(sure: boolean): Promise<string | undefined> {
    const now = this.#clock.monotonicMs();
    if (sure || now - this.#askedAt > FRESH_MS) {
      this.#seen = await this.#look();
      this.#askedAt = now;
    }
    return this.#seen.some((one) => one.restarts >= MAX_RESTARTS) ? undefined : identityOf(this.#seen);
  }
}
