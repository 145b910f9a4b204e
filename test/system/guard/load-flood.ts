import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

const program = join(import.meta.dirname, '..', '..', 'bench', 'guard-flooder.mjs');

export interface FloodOptions {
  port: number;
  /** Whether the wrong passwords come by the login form, or as bearers. */
  kind: 'form' | 'bearer';
  clients: number;
  /** Each client from an address of its own. */
  spread?: boolean;
  /** Each attempt as from another address, by X-Forwarded-For: this one, as a number, and those after it. */
  forwarded?: number;
  /** Ends by itself after so many. */
  atMost?: number;
}

/** How many were answered with each status. */
export type FloodAnswers = Record<string, number>;

/** A flood that is under way. */
export interface Flood {
  stop(): Promise<FloodAnswers>;
}

/** Lets wrong passwords come in, from another process; they do so once this is over. */
export async function startFlood(options: FloodOptions): Promise<Flood> {
  const child = fork(program, [JSON.stringify(options)]);
  await once(child, 'message');
  return {
    stop: async () => {
      const answered = once(child, 'message');
      child.send('stop');
      const [answers] = (await answered) as [FloodAnswers];
      return answers;
    },
  };
}

/** The same to its end. */
export async function floodToItsEnd(options: FloodOptions & { atMost: number }): Promise<FloodAnswers> {
  const child = fork(program, [JSON.stringify(options)]);
  await once(child, 'message');
  const [answers] = (await once(child, 'message')) as [FloodAnswers];
  return answers;
}
