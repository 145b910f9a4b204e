import { randomUUID } from 'node:crypto';

/** A prompt in the order of the fields in which ComfyUI lists it: number, id, prompt, extra data, outputs. */
type Item = [number: number, id: string, prompt: object, extra: object, outputs: string[]];

/** How long a prompt takes: as long as the `seconds` of its nodes say together; no time where none says so. */
function durationMs(prompt: object): number {
  const seconds = Object.values(prompt).map((node: { inputs?: { seconds?: unknown } } | null) => {
    const value = node?.inputs?.seconds;
    return typeof value === 'number' && value > 0 ? value : 0;
  });
  return 1000 * seconds.reduce((sum, value) => sum + value, 0);
}

/** ComfyUI's queue: one prompt at a time, the others wait. */
export class PromptQueue {
  readonly history: Record<string, unknown> = {};
  readonly pending: Item[] = [];
  readonly #log: (line: string) => void;
  #current: { item: Item; timer: NodeJS.Timeout } | undefined;
  #count = 0;

  constructor(log: (line: string) => void) {
    this.#log = log;
  }

  get running(): Item[] {
    return this.#current === undefined ? [] : [this.#current.item];
  }

  get remaining(): number {
    return this.running.length + this.pending.length;
  }

  /** Takes a prompt; gives its id and number. One that takes no time is done at once, where nothing is before it. */
  add(prompt: object): { id: string; number: number } {
    const [number, id] = [this.#count++, randomUUID()];
    this.pending.push([number, id, prompt, {}, []]);
    this.#log('got prompt');
    this.#next();
    return { id, number };
  }

  /** Forgets what waits; what runs goes on. */
  clear(): void {
    this.pending.length = 0;
  }

  /** Ends what runs. */
  interrupt(): void {
    if (this.#current === undefined) return;
    const { item, timer } = this.#current;
    clearTimeout(timer);
    this.#log('Processing interrupted');
    this.#end(item, { status_str: 'error', completed: false, messages: [] });
  }

  #next(): void {
    const item = this.#current === undefined ? this.pending.shift() : undefined;
    if (item === undefined) return;
    const [startedMs, ms] = [performance.now(), durationMs(item[2])];
    const done = () => {
      this.#log(`Prompt executed in ${((performance.now() - startedMs) / 1000).toFixed(2)} seconds`);
      this.#end(item, { status_str: 'success', completed: true, messages: [] });
    };
    if (ms === 0) {
      done();
      return;
    }
    const timer = setTimeout(done, ms);
    // A server that is closed does not wait for it.
    timer.unref();
    this.#current = { item, timer };
  }

  #end(item: Item, status: object): void {
    this.history[item[1]] = { prompt: item, outputs: {}, status };
    this.#current = undefined;
    this.#next();
  }
}
