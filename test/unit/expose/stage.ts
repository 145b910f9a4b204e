import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { createRelay, type Relay } from '../../../entrypoint/expose/relay.ts';

/** A relay between a target that the test plays and clients that it opens. */
export class Stage {
  readonly events: string[] = [];
  readonly #servers: Server[] = [];
  readonly #sockets = new Set<Socket>();
  readonly #relays: Relay[] = [];

  /** Listens on a port of its own; one end may close before the other. */
  async listen(onConnection: (socket: Socket) => void): Promise<number> {
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      this.#keep(socket);
      onConnection(socket);
    }).listen(0, '127.0.0.1');
    this.#servers.push(server);
    await once(server, 'listening');
    return portOf(server);
  }

  /** A port on which nothing listens. */
  async freePort(): Promise<number> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const port = portOf(server);
    server.close();
    await once(server, 'close');
    return port;
  }

  relay(targetPort: number, port: number, more: { limit?: number; lingerMs?: number } = {}): Relay {
    const note = (event: string, message: string) => this.events.push(`${event}: ${message}`);
    const relay = createRelay({
      listen: { host: '127.0.0.1', port },
      target: { host: '127.0.0.1', port: targetPort },
      log: { info: note, warning: note, error: note },
      ...more,
    });
    this.#relays.push(relay);
    return relay;
  }

  /** A relay that is open, before a target. */
  async open(onConnection: (socket: Socket) => void, more: { limit?: number; lingerMs?: number } = {}) {
    const port = await this.freePort();
    const relay = this.relay(await this.listen(onConnection), port, more);
    await relay.open();
    return { relay, port };
  }

  async connect(port: number): Promise<Socket> {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    this.#keep(socket);
    await once(socket, 'connect');
    return socket;
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('close', () => this.#sockets.delete(socket));
  }

  remove(): void {
    for (const relay of this.#relays) relay.end();
    for (const server of this.#servers) server.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}

const portOf = (server: Server) => (server.address() as AddressInfo).port;

/** All that a socket says until it ends; rejects where it is reset. The socket itself may go on speaking. */
export async function everything(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  await once(socket, 'end');
  return Buffer.concat(chunks);
}

/** How a socket ended: the error's code, or `end`. */
export async function outcome(socket: Socket): Promise<string> {
  socket.resume();
  return await new Promise((resolve) => {
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(String(error.code)));
    socket.once('end', () => resolve('end'));
  });
}

/** How a new connection ends: the error's code, or `end`. */
export async function attempt(port: number): Promise<string> {
  return await outcome(connect(port, '127.0.0.1'));
}

/** Whether somebody listens: the error of a try to connect, or `connected`. */
export async function tryToConnect(port: number): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  return await new Promise((resolve) => {
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(String(error.code)));
    socket.once('connect', () => {
      socket.destroy();
      resolve('connected');
    });
  });
}

/** How many descriptors this process holds. */
export const descriptors = () => readdirSync('/proc/self/fd').length;
