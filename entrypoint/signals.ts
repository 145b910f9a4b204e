import { setImmediate as turn } from 'node:timers/promises';

/** Asks the container to end. A second one ends it at once. */
const STOPPING = ['SIGTERM', 'SIGINT', 'SIGQUIT'] as const;

/** Asks it to read its credential again. */
const RELOADING = 'SIGHUP';

/**
 * By default these would end or suspend Node, and leave ComfyUI without anybody who watches it; SIGUSR1 would even open
 * Node's inspector, which hands out what is in memory.
 */
const IGNORED = [
  ...(['SIGUSR1', 'SIGUSR2', 'SIGALRM', 'SIGVTALRM', 'SIGPROF', 'SIGIO', 'SIGPWR', 'SIGSTKFLT'] as const),
  ...(['SIGXCPU', 'SIGXFSZ', 'SIGTRAP', 'SIGSYS', 'SIGABRT'] as const),
  ...(['SIGTSTP', 'SIGTTIN', 'SIGTTOU'] as const),
];

/** Resolves once the signals that have come by now were heard: Node looks for them between two turns of its event loop. */
export async function afterSignals(): Promise<void> {
  // This turn may have looked for them already.
  await turn();
  await turn();
}

type StopSignal = (typeof STOPPING)[number];
type KnownSignal = StopSignal | typeof RELOADING | (typeof IGNORED)[number];

/** Says that the container was asked to stop: the way out of whatever is being waited for. */
export class StopAsked extends Error {
  readonly signal: StopSignal;

  constructor(signal: StopSignal) {
    super(`stopped by ${signal}`);
    this.signal = signal;
  }
}

/** What was asked of the container, by signals above all. */
export class Signals {
  readonly #stop = new AbortController();
  readonly #force = new AbortController();
  #reloadAsked = false;
  #wake: () => void = () => undefined;

  /** Aborted, with a `StopAsked`, at the first signal that asks for the end. */
  get stop(): AbortSignal {
    return this.#stop.signal;
  }

  /** Aborted at the second one. */
  get force(): AbortSignal {
    return this.#force.signal;
  }

  /** Whether a reload was asked for since this was last called. */
  takeReload(): boolean {
    const asked = this.#reloadAsked;
    this.#reloadAsked = false;
    return asked;
  }

  /** Resolves when a reload is asked for, at once where it has been. Only the latest caller is told. */
  reload(): Promise<void> {
    if (this.#reloadAsked) return Promise.resolve();
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  /** What the signal for it does. */
  askReload(): void {
    this.#reloadAsked = true;
    this.#wake();
  }

  /** A signal came from outside. */
  receive(signal: KnownSignal): void {
    if (signal === RELOADING) this.askReload();
    else if (isStop(signal)) {
      if (this.#stop.signal.aborted) this.#force.abort();
      this.#stop.abort(new StopAsked(signal));
    }
  }

  /** Hears all signals of this process; `onIgnored` is told of those that ask for nothing. */
  listen(onIgnored: (signal: string) => void): void {
    for (const signal of [...STOPPING, RELOADING] as const) process.on(signal, () => this.receive(signal));
    for (const signal of IGNORED) process.on(signal, () => onIgnored(signal));
  }
}

const isStop = (signal: KnownSignal): signal is StopSignal =>
  (STOPPING as readonly KnownSignal[]).includes(signal);
