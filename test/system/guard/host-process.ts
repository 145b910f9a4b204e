import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';

/** How a process came to its end. */
export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** One of the lines of JSON that the guard writes on stdout. */
export interface GuardEvent {
  source: 'guard';
  event: string;
  at: string;
  [field: string]: unknown;
}

function asEvent(line: string): GuardEvent | undefined {
  try {
    const value = JSON.parse(line);
    return value?.source === 'guard' ? value : undefined;
  } catch {
    return undefined;
  }
}

/** A server in ComfyUI's place, which runs in a process of its own. */
export class HostProcess {
  readonly #process: ChildProcessWithoutNullStreams;
  readonly ended: Promise<Ended>;
  stdout = '';
  stderr = '';
  #url: string | undefined;

  constructor(python: string, args: string[], cwd: string, env: Record<string, string>) {
    this.#process = spawn(python, args, { cwd, env });
    this.#process.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
    });
    this.#process.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
    });
    this.ended = once(this.#process, 'close').then(([code, signal]) => ({ code, signal }));
  }

  get pid(): number {
    return this.#process.pid ?? Number.NaN;
  }

  /** Where it answers; it has said so. */
  get url(): string {
    if (this.#url === undefined) throw new Error(`it does not listen yet:\n${this.output}`);
    return this.#url;
  }

  get port(): number {
    return Number(new URL(this.url).port);
  }

  get output(): string {
    return this.stdout + this.stderr;
  }

  /** What the guard has told so far. */
  get events(): GuardEvent[] {
    return this.stdout
      .split('\n')
      .map(asEvent)
      .filter((event) => event !== undefined);
  }

  /** Waits for the line by which ComfyUI says that it listens; rejects with the output where it ends before. */
  async listening(): Promise<this> {
    const line = /To see the GUI go to: (\S+)/;
    await this.until('it listens', () => line.test(this.stderr));
    this.#url = line.exec(this.stderr)?.[1];
    return this;
  }

  /** Waits for an event of the guard that was not told before the first `after` ones. */
  async told(name: string, after = 0): Promise<GuardEvent> {
    const find = () => this.events.slice(after).find(({ event }) => event === name);
    await this.until(`event ${name}`, () => find() !== undefined);
    return find() as GuardEvent;
  }

  /** Waits until something holds of what it has said. */
  until(what: string, holds: () => boolean): Promise<void> {
    const streams = [this.#process.stdout, this.#process.stderr];
    return new Promise((resolve, reject) => {
      const settle = (end: () => void) => {
        for (const stream of streams) stream.off('data', look);
        end();
      };
      const look = () => {
        if (holds()) settle(resolve);
      };
      for (const stream of streams) stream.on('data', look);
      const tooEarly = () => reject(new Error(`ended before ${what}:\n${this.output}`));
      void this.ended.then(() => (holds() ? settle(resolve) : settle(tooEarly)));
      look();
    });
  }

  signal(name: NodeJS.Signals): void {
    this.#process.kill(name);
  }

  /** Ends it as ComfyUI is ended, if it still runs. */
  async stop(): Promise<Ended> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) this.signal('SIGINT');
    return await this.ended;
  }
}
