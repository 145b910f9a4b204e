import { connect, type Socket } from 'node:net';
import { readInto } from './buffers.ts';

export interface Address {
  host: string;
  port: number;
}

/** How much of a transfer waits in a socket before its sender is held back. */
export const BUFFER_BYTES = 64 * 1024;

/** After this silence the kernel asks the other side whether it is there still. */
export const KEEP_ALIVE_MS = 60_000;

/** What every socket of the relay is: nothing waits for more, and one direction may end before the other. */
export const SOCKET_OPTIONS = {
  allowHalfOpen: true,
  noDelay: true,
  keepAlive: true,
  keepAliveInitialDelay: KEEP_ALIVE_MS,
  highWaterMark: BUFFER_BYTES,
};

/**
 * Connects a client to the target and passes what either says, and that it has ended, to the other. An error on
 * one side resets the other, so that a part does not pass for the whole. `failed` gets the target's error.
 */
export function joinTo(
  target: Address,
  client: Socket,
  lingerMs: number,
  failed: (error: NodeJS.ErrnoException) => void,
): Socket {
  const { onread, closed } = readInto(() => server, client);
  const server = connect({ ...target, ...SOCKET_OPTIONS, onread });
  const cut = () => {
    reset(client);
    reset(server);
  };
  client.on('error', cut);
  server.on('error', (error) => {
    cut();
    failed(error);
  });
  client.pipe(server);
  server.once('end', () => client.end());
  server.once('close', closed);
  // A server that has closed says the same as one that has only ended: a client must not hold it for ever.
  client.once('finish', () => client.setTimeout(lingerMs, cut));
  return server;
}

/** Ends a socket at once, so that the other side sees an error where it has not got everything yet. */
export function reset(socket: Socket): void {
  // Node cannot reset one that still connects, or has sent its end.
  if (socket.connecting || (socket.writableEnded && socket.writableLength === 0)) socket.destroy();
  else socket.resetAndDestroy();
}
