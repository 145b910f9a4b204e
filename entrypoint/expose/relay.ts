import { createServer, type Server, type Socket } from 'node:net';
import { ContainerExit, Refusal } from '../exit.ts';
import type { Log } from '../log.ts';
import { connectionLimit } from './limit.ts';
import { type Address, joinTo, reset, SOCKET_OPTIONS } from './pair.ts';

/** How long a client may hold a connection that the server has ended: as long as Linux keeps one, too. */
const LINGER_MS = 60_000;

/** What connect says where descriptors, memory or the ports of the loopback have run out. */
const EXHAUSTED = new Set(['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM', 'EADDRNOTAVAIL', 'EAGAIN']);

export interface RelayOptions {
  listen: Address;
  target: Address;
  log: Log;
  /** Connections at once; as many as the process has room for where absent. */
  limit?: number;
  lingerMs?: number;
}

/** Passes bytes between a port that it opens and closes and a target, and knows nothing of what they say. */
export interface Relay {
  /** Listens, unless it does already. Throws a `Refusal`: 78 `port-taken`, 77 `port-forbidden`, 78. */
  open(): Promise<void>;
  /** Takes no more connections from this moment; those that exist go on. It can be opened again. */
  close(): void;
  /** The same, and resets those that exist. */
  end(): void;
  /** How many clients are connected. */
  readonly connections: number;
}

/** A relay that does not listen yet. */
export function createRelay(options: RelayOptions): Relay {
  const { listen, target, log, limit = connectionLimit(), lingerMs = LINGER_MS } = options;
  const pairs = new Map<Socket, Socket>();
  let listening: { server: Server; bound: Promise<void> } | undefined;
  let full = false;

  const sayFull = () => {
    if (full) return;
    full = true;
    const where = `${listen.host}:${listen.port}`;
    log.warning(
      'relay-full',
      `${where}: no room for another connection beside ${pairs.size}: new ones are reset until some end`,
      { connections: pairs.size },
    );
  };

  const accept = (client: Socket) => {
    if (pairs.size >= limit) {
      client.on('error', () => undefined);
      reset(client);
      sayFull();
      return;
    }
    const server = joinTo(target, client, lingerMs, ({ code }) => {
      if (EXHAUSTED.has(code ?? '')) sayFull();
    });
    pairs.set(client, server);
    client.once('close', () => pairs.delete(client));
  };

  const close = () => {
    listening?.server.close();
    listening = undefined;
  };

  return {
    open() {
      if (listening === undefined) {
        const server = createServer(SOCKET_OPTIONS, accept);
        const bound = bind(server, listen, sayFull).catch((error: unknown) => {
          if (listening?.server === server) listening = undefined;
          throw error;
        });
        listening = { server, bound };
      }
      return listening.bound;
    },
    close,
    end() {
      close();
      for (const [client, server] of pairs) {
        reset(client);
        reset(server);
      }
    },
    get connections() {
      return pairs.size;
    },
  };
}

/** Listens, or stops trying where the server is closed meanwhile. `full` is called where it cannot accept. */
function bind(server: Server, address: Address, full: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    server.on('error', (error) => (server.listening ? full() : reject(refusal(error, address))));
    server.once('listening', resolve);
    server.once('close', resolve);
    server.listen(address);
  });
}

function refusal(error: NodeJS.ErrnoException, { host, port }: Address): Refusal {
  const known = {
    EADDRINUSE: {
      code: 'port-taken',
      message: `COMFYUI_PORT: something else listens at ${host}:${port}`,
      remedy: 'end it, or set COMFYUI_PORT to a free port',
    },
    EACCES: {
      code: 'port-forbidden',
      exit: ContainerExit.permission,
      message: `COMFYUI_PORT: the entrypoint’s user may not listen at ${host}:${port}`,
      remedy: 'set COMFYUI_PORT to 1024 or more, and publish it as the port that you want',
    },
  }[error.code ?? ''];
  return new Refusal({
    code: 'listen-failed',
    message: `COMFYUI_PORT: cannot listen at ${host}:${port} (${error.code})`,
    remedy: 'set COMFYUI_PORT to a free port of this machine',
    ...known,
    cause: error,
  });
}
