import { availableParallelism } from 'node:os';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { hashPassword, verifies } from '../model/bcrypt.ts';
import { Secret } from '../model/secret.ts';

/** A password and a hash that may be its own. */
export type Pair = readonly [password: Secret, bearer: Secret];

/** bcrypt, which takes a quarter of a second a pair: each distinct pair is computed once a run. */
export interface BcryptPort {
  verify(password: Secret, bearer: Secret): Promise<boolean>;
  /** Several pairs at once, side by side on other threads; the results in the pairs' order. */
  verifyAll(pairs: readonly Pair[]): Promise<boolean[]>;
  hash(password: Secret, salt: string): Promise<Secret>;
}

const ROLE = 'comfyui-auth-bcrypt';
const MAX_WORKERS = 4;

/** Whether this thread is a bcrypt worker; a face's main then only serves, and does nothing else. */
export function servesBcrypt(): boolean {
  if (isMainThread || workerData !== ROLE) return false;
  parentPort?.on('message', ([password, bearer]: [string, string]) => {
    parentPort?.postMessage(verifies(new Secret(password), new Secret(bearer)));
  });
  return true;
}

interface Job {
  pair: Pair;
  done(result: boolean): void;
  failed(error: unknown): void;
}

/** Threads that each take the next job as soon as they are free. Idle ones do not keep the process alive. */
class Crew {
  readonly #file: string;
  readonly #queue: Job[] = [];
  readonly #idle: Worker[] = [];
  #size = 0;

  constructor(file: string) {
    this.#file = file;
  }

  compute(pair: Pair): Promise<boolean> {
    return new Promise((done, failed) => {
      this.#queue.push({ pair, done, failed });
      const worker = this.#idle.pop() ?? this.#hire();
      if (worker !== undefined) this.#feed(worker);
    });
  }

  #hire(): Worker | undefined {
    if (this.#size >= Math.min(MAX_WORKERS, availableParallelism())) return undefined;
    this.#size += 1;
    // stdout and stderr are not shared: what a worker might print goes nowhere.
    return new Worker(this.#file, { workerData: ROLE, env: {}, stdout: true, stderr: true });
  }

  #feed(worker: Worker): void {
    const job = this.#queue.shift();
    if (job === undefined) {
      worker.unref();
      this.#idle.push(worker);
      return;
    }
    const failed = (error: unknown) => {
      this.#size -= 1;
      job.failed(error);
    };
    worker.ref();
    worker.once('error', failed);
    worker.once('message', (result: boolean) => {
      worker.off('error', failed);
      job.done(result);
      this.#feed(worker);
    });
    worker.postMessage([job.pair[0].reveal(), job.pair[1].reveal()]);
  }
}

/** So many comparisons together take about a second: whoever waits is told. */
const WORTH_SAYING = 4;

/**
 * bcrypt on worker threads that run the given bundle, whose main calls `servesBcrypt` first.
 * A single pair is computed here: starting a thread would cost more than it saves.
 * `onWork` is told how many comparisons are about to be made, where they take a while.
 */
export function bcryptPool(file: string, onWork?: (comparisons: number) => void): BcryptPort {
  const crew = new Crew(file);
  const known = new Map<string, Promise<boolean>>();
  const keyOf = ([password, bearer]: Pair) => `${bearer.reveal()}\0${password.reveal()}`;

  const verifyAll = async (pairs: readonly Pair[]): Promise<boolean[]> => {
    const fresh = new Map(pairs.filter((pair) => !known.has(keyOf(pair))).map((pair) => [keyOf(pair), pair]));
    if (fresh.size >= WORTH_SAYING) onWork?.(fresh.size);
    const alone = fresh.size === 1;
    for (const [key, pair] of fresh) {
      known.set(key, alone ? Promise.resolve(verifies(...pair)) : crew.compute(pair));
    }
    return Promise.all(pairs.map((pair) => known.get(keyOf(pair)) ?? false));
  };

  return {
    verifyAll,
    verify: async (password, bearer) => (await verifyAll([[password, bearer]]))[0] ?? false,
    hash: async (password, salt) => hashPassword(password, salt),
  };
}
