import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { Refusal } from '../exit.ts';

/**
 * Below the ports that Linux gives to outgoing connections. From among those, one of the relay's own could
 * take the port while ComfyUI restarts, or meet itself: a connection to a free port may get it as its source.
 */
const FIRST = 20_000;
const END = 30_000;
const TRIES = 50;

/**
 * A port of the loopback, not the published one, on which nothing listened a moment ago; nobody keeps it.
 * Throws a `Refusal` (78 `port-taken`) where it finds none.
 */
export async function freeLoopbackPort(published?: number): Promise<number> {
  for (let left = TRIES; left > 0; left--) {
    const port = randomInt(FIRST, END);
    if (port !== published && (await isFree(port))) return port;
  }
  throw new Refusal({
    code: 'port-taken',
    message: `EXPOSE_MODE=relay: no free port was found between ${FIRST} and ${END} of the loopback`,
    remedy: 'end what listens there, or set EXPOSE_MODE=direct',
  });
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, '127.0.0.1');
  try {
    await once(server, 'listening');
  } catch {
    return false;
  }
  server.close();
  await once(server, 'close');
  return true;
}
