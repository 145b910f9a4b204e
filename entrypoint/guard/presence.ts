import type { Clock } from '../../src/platform/clock.ts';
import type { GuardReport } from '../../src/probe/guard.ts';
import { ContainerExit, Refusal } from '../exit.ts';

/** Between two questions where the first was not answered by the guard. */
const PAUSE_MS = 200;

/** So often somebody else has to answer in its place: then it is gone. */
const TRIES = 3;

/** What to do where ComfyUI runs without the guard that it should have loaded. */
export const MISSING_REMEDY =
  'look above for the error with which comfyui-auth-guard failed to load, and for a node that removes it; ' +
  'where no guard is meant set GUARD_COPY=off, and take it out of custom_nodes';

/** What the guard of a running ComfyUI says, and whether there has to be one. */
export interface GuardPorts {
  /** Whether ComfyUI was started with the guard among its nodes: then it may not go on without. */
  expected: boolean;
  clock: Clock;
  ask(over: AbortSignal): Promise<GuardReport>;
}

/** The guard in a running ComfyUI, as it was last heard of. */
export class GuardPresence {
  readonly #ports: GuardPorts;
  #last: GuardReport = { guard: 'unknown' };

  constructor(ports: GuardPorts) {
    this.#ports = ports;
  }

  get state(): GuardReport['guard'] {
    return this.#last.guard;
  }

  /** Null where none is known of. */
  get version(): string | null {
    return this.#last.guard === 'present' ? this.#last.version : null;
  }

  /** Whether it can exchange the credential. */
  get reloads(): boolean {
    return this.#last.guard === 'present' && this.#last.reload;
  }

  /** Whether ComfyUI may not go on without it. */
  get expected(): boolean {
    return this.#ports.expected;
  }

  /**
   * Asks for it: until it has answered, where there has to be one, and no longer than to the deadline. Throws a `Refusal` where
   * it is missing (78) or does not answer (69); rejects where `over` is aborted.
   */
  async meet(untilMs: number, over: AbortSignal): Promise<void> {
    const { clock, expected } = this.#ports;
    for (;;) {
      await this.look(over);
      if (this.state !== 'unknown' || !expected) return;
      if (clock.monotonicMs() >= untilMs) throw silent();
      await clock.wait(PAUSE_MS, over);
    }
  }

  /** Asks for it once; where it has to be there, and is not, a few times. No answer says nothing. Throws a `Refusal` (78). */
  async look(over: AbortSignal): Promise<void> {
    const { clock, expected, ask } = this.#ports;
    let report = await ask(over);
    for (let left = TRIES - 1; report.guard === 'absent' && expected; left -= 1) {
      if (left === 0) throw missing();
      await clock.wait(PAUSE_MS, over);
      report = await ask(over);
    }
    if (report.guard !== 'unknown') this.#last = report;
  }
}

const missing = () =>
  new Refusal({
    code: 'guard-missing',
    message: 'comfyui-auth-guard stands among the custom nodes, and ComfyUI runs without it',
    remedy: MISSING_REMEDY,
  });

const silent = () =>
  new Refusal({
    code: 'guard-missing',
    exit: ContainerExit.neverReady,
    message: 'never ready: the guard of ComfyUI did not say in time that it is there',
    remedy: 'look above for what ComfyUI was doing; raise VERIFY_TIMEOUT where it only needs longer',
  });
