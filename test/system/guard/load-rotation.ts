import { bearer, type LoadClient } from './load-client.ts';
import type { LoadRig } from './load-rig.ts';
import { freshPair, type Pair, type Published, WAYS } from './load-valid.ts';

/** Who asks for the reload: with what PASSWORD holds, with what is valid still, or with that one's password. */
const ASKERS: ((old: Pair, fresh: Pair) => string)[] = [
  (_, fresh) => fresh.hash,
  (old) => old.hash,
  (old) => old.password,
];

/** Changes the credential of a server that serves, and publishes it once the server has said so. */
export class Rotation implements Published {
  current: Pair;
  moments = 0;
  settled: Promise<void> = Promise.resolve();
  /** Milliseconds from the file's replacement to the answer. */
  readonly took: number[] = [];
  readonly #rig: LoadRig;
  readonly #client: LoadClient;

  constructor(rig: LoadRig, client: LoadClient) {
    this.#rig = rig;
    this.#client = client;
    this.current = { password: rig.password, hash: rig.hash };
  }

  /** Gives the pair that was current before. */
  async next(): Promise<Pair> {
    const [old, fresh] = [this.current, freshPair()];
    const asker = ASKERS[this.took.length % ASKERS.length]?.(old, fresh) ?? fresh.hash;
    this.moments++;
    this.settled = this.#take(fresh, asker).finally(() => {
      this.moments++;
    });
    await this.settled;
    return old;
  }

  async #take(fresh: Pair, asker: string): Promise<void> {
    const start = performance.now();
    this.#rig.publish(fresh.hash);
    const { status, body } = await this.#client.ask('/reload_token', bearer(asker), '');
    this.took.push(performance.now() - start);
    if (status !== 200 || !JSON.parse(body).reloaded) throw new Error(`/reload_token: ${status} ${body}`);
    this.current = fresh;
  }
}

/** In which ways a pair still comes in. */
export async function accepted(client: LoadClient, pair: Pair): Promise<string[]> {
  const ways = Object.entries(WAYS);
  const answers = await Promise.all(ways.map(([, way]) => way(client, pair)));
  return ways.flatMap(([name], i) => (answers[i]?.status === 200 ? [name] : []));
}
