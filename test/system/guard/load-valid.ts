import { cheapHash, freshSecret } from '../../process/deployment.ts';
import { type Answer, bearer, type LoadClient } from './load-client.ts';

/** A password, and the bearer that belongs to it. */
export interface Pair {
  password: string;
  hash: string;
}

export function freshPair(): Pair {
  const password = freshSecret();
  return { password, hash: cheapHash(password) };
}

type Way = (client: LoadClient, pair: Pair) => Promise<Answer>;

const JSON_BODY = { 'content-type': 'application/json' };

/** The ways in which clients show that they may come in; each asks something else. */
export const WAYS: Record<string, Way> = {
  bearer: (client, { hash }) => client.ask('/queue', bearer(hash)),
  password: (client, { password }) => client.ask('/prompt', bearer(password)),
  token: (client, { hash }) => client.ask(`/system_stats?token=${encodeURIComponent(hash)}`),
  body: (client, { hash }) => client.ask('/queue', { ...bearer(hash), ...JSON_BODY }, '{}'),
};

/** Where clients read the credential: anew before each request. */
export interface Published {
  readonly current: Pair;
  /** Counts beginnings and ends of rotations: odd while one is under way. */
  readonly moments: number;
  /** Over once none is under way. */
  readonly settled: Promise<unknown>;
}

/** Clients that all may come in, at a rate that does not wait for answers. */
export class ValidClients {
  good = 0;
  /** Refused during a rotation, and good with what it published. */
  again = 0;
  /** What each of the others got. */
  readonly lost: string[] = [];
  readonly #client: LoadClient;
  readonly #published: Published;
  readonly #retry: boolean;
  readonly #ways: [string, Way][];
  readonly #underWay = new Set<Promise<void>>();
  #timer: NodeJS.Timeout | undefined;
  #sent = 0;
  #answered: () => void = () => undefined;

  /** `retry`: who is refused during a rotation reads the credential again after it, and asks once more. */
  constructor(
    client: LoadClient,
    published: Published,
    { retry, more = {} }: { retry: boolean; more?: Record<string, Way> },
  ) {
    this.#client = client;
    this.#published = published;
    this.#retry = retry;
    this.#ways = Object.entries({ ...WAYS, ...more });
  }

  get count(): number {
    return this.good + this.again + this.lost.length;
  }

  start(perSecond: number): void {
    this.#timer = setInterval(() => this.#send(), 1000 / perSecond);
  }

  /** One of each kind, at once. */
  burst(): void {
    for (const _ of this.#ways) this.#send();
  }

  /** Waits until so many more have been answered. */
  async answered(more: number): Promise<void> {
    const until = this.count + more;
    while (this.count < until) {
      await new Promise<void>((resolve) => {
        this.#answered = resolve;
      });
    }
  }

  /** Sends no more, and waits for what is under way. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all(this.#underWay);
  }

  #send(): void {
    const [name, way] = this.#ways[this.#sent++ % this.#ways.length] as [string, Way];
    const asked = this.#ask(name, way);
    this.#underWay.add(asked);
    void asked.then(() => {
      this.#underWay.delete(asked);
      this.#answered();
    });
  }

  async #ask(name: string, way: Way): Promise<void> {
    const { moments } = this.#published;
    const { status } = await way(this.#client, this.#published.current);
    const inRotation = moments % 2 === 1 || moments !== this.#published.moments;
    if (status === 200) this.good++;
    else if (status === 401 && inRotation && this.#retry) await this.#askAgain(name, way);
    else this.lost.push(`${name}: ${status}`);
  }

  async #askAgain(name: string, way: Way): Promise<void> {
    await this.#published.settled;
    const { status } = await way(this.#client, this.#published.current);
    if (status === 200) this.again++;
    else this.lost.push(`${name}, again: ${status}`);
  }
}
