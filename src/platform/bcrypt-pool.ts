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
  parentPort?.on('message', ([id, password, bearer]: [number, string, string]) => {
    parentPort?.postMessage([id, verifies(new Secret(password), new Secret(bearer))]);
  });
  return true;
}

/** Hands each worker its next pair as soon as it is free. Resolves when all results are in. */
function compute(file: string, pairs: readonly Pair[]): Promise<boolean[]> {
  const results: boolean[] = new Array(pairs.length).fill(false);
  let next = 0;
  const serve = () =>
    new Promise<void>((resolve, reject) => {
      // stdout and stderr are not shared: what a worker might print goes nowhere.
      const worker = new Worker(file, { workerData: ROLE, env: {}, stdout: true, stderr: true });
      const feed = () => {
        const pair = pairs[next];
        if (pair === undefined) {
          worker.terminate().then(() => resolve(), reject);
          return;
        }
        worker.postMessage([next++, pair[0].reveal(), pair[1].reveal()]);
      };
      worker.on('error', reject);
      worker.on('message', ([id, result]: [number, boolean]) => {
        results[id] = result;
        feed();
      });
      feed();
    });
  const count = Math.min(MAX_WORKERS, availableParallelism(), pairs.length);
  return Promise.all(Array.from({ length: count }, serve)).then(() => results);
}

/**
 * bcrypt on worker threads that run the given bundle, whose main calls `servesBcrypt` first.
 * A single pair is computed here: starting a thread would cost more than it saves.
 */
export function bcryptPool(file: string): BcryptPort {
  const known = new Map<string, Promise<boolean>>();
  const keyOf = ([password, bearer]: Pair) => `${bearer.reveal()}\0${password.reveal()}`;

  const verifyAll = async (pairs: readonly Pair[]): Promise<boolean[]> => {
    const fresh = new Map(pairs.filter((pair) => !known.has(keyOf(pair))).map((pair) => [keyOf(pair), pair]));
    const due = [...fresh.values()];
    const computed =
      due.length > 1 ? compute(file, due) : Promise.resolve(due.map((pair) => verifies(...pair)));
    due.forEach((pair, i) => {
      known.set(
        keyOf(pair),
        computed.then((results) => results[i] ?? false),
      );
    });
    return Promise.all(pairs.map((pair) => known.get(keyOf(pair)) ?? false));
  };

  return {
    verifyAll,
    verify: async (password, bearer) => (await verifyAll([[password, bearer]]))[0] ?? false,
    hash: async (password, salt) => hashPassword(password, salt),
  };
}
