import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { resolve } from 'node:path';
import { ComfyUi } from './comfyui.ts';
import { loadLogin } from './custom-node.ts';
import { type Exchange, exchangeOf, type Reply, text } from './exchange.ts';
import { readFlags } from './flags.ts';
import { loadGuard } from './guard.ts';
import { LogRing } from './log-ring.ts';
import { answerEarly, corsHeaders } from './origin.ts';

export interface StandInOptions {
  /** The folder of ComfyUI: `login/PASSWORD`, `custom_nodes/ComfyUI-Login` are looked for in it. */
  comfyuiDir: string;
  /** `127.0.0.1` where absent. */
  host?: string;
  /** 0 takes any free port. */
  port: number;
  /** ComfyUI's own flags, e.g. `--enable-cors-header https://ui.example`. */
  args: string[];
  /** Behaves as older versions of the node: 302 to `/login` whatever is accepted. */
  alwaysRedirect?: boolean;
  /** What ComfyUI-Manager's reboot does; without it the Manager is not installed. */
  reboot?: () => void;
  /** Receives what ComfyUI would print, the token included. */
  log: (line: string) => void;
  /** Receives the guard's events, which go to stdout. */
  onEvent?: (line: string) => void;
}

export interface StandIn {
  port: number;
  /** What SIGHUP makes of the guard; absent where there is none. */
  reload?: () => void;
  close(): Promise<void>;
}

function send(response: ServerResponse, reply: Reply) {
  const body = Buffer.from(reply.body);
  response.writeHead(reply.status, { ...reply.headers, 'content-length': body.length });
  response.end(body);
}

/**
 * Starts a server that behaves as ComfyUI with ComfyUI-Login does, holes included (domain.md §2, container.md §1).
 * As ComfyUI, it starts without a login where the node is missing or its import fails. Rejects where it
 * cannot listen, and with a `GuardRefusal` where the guard is there and would not let it.
 */
export async function startStandIn(options: StandInOptions): Promise<StandIn> {
  const flags = readFlags(options.args);
  const log = new LogRing(options.log);
  const comfyui = resolve(options.comfyuiDir);
  const base = resolve(flags.baseDirectory ?? comfyui);
  const loaded = loadLogin({ comfyui, base }, flags, options.alwaysRedirect === true, log);
  const { login, guards } = loaded;
  const guard = loadGuard(base, flags, loaded, options.onEvent);
  const routes = new ComfyUi(resolve(base, 'user', 'default'), log, options.reboot);

  async function answer(exchange: Exchange): Promise<Reply> {
    const early = answerEarly(exchange, flags.corsOrigin);
    if (early !== undefined) return early;
    try {
      const answered = guard?.answer(exchange);
      if (answered !== undefined) return answered;
      const refusal = guards ? login?.refuse(exchange, guard === undefined) : undefined;
      return refusal ?? (await login?.route(exchange)) ?? (await routes.route(exchange));
    } catch (error) {
      log.line(`Error handling request: ${error instanceof Error ? error.message : String(error)}`);
      return { ...text('500 Internal Server Error\n\nServer got itself in trouble', 500), raised: true };
    }
  }

  const server = createServer(async (request: IncomingMessage, response: ServerResponse) => {
    const reply = await answer(exchangeOf(request));
    const added = reply.raised ? {} : corsHeaders(flags.corsOrigin);
    send(response, { ...reply, headers: { ...added, ...reply.headers } });
  });
  const host = options.host ?? '127.0.0.1';
  server.listen(options.port, host);
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : options.port;
  log.line('Starting server\n');
  log.line(`To see the GUI go to: http://${host}:${port}`);
  return {
    port,
    ...(guard !== undefined && { reload: () => void guard.reload('signal') }),
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
