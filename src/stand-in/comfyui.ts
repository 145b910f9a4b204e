import { type Exchange, html, json, nothing, type Reply } from './exchange.ts';
import type { LogRing } from './log-ring.ts';
import { PromptQueue } from './prompt-queue.ts';
import { userdata } from './userdata.ts';

const STATS = {
  system: {
    os: 'posix',
    ram_total: 33_554_432_000,
    ram_free: 25_165_824_000,
    comfyui_version: '0.3.64',
    python_version: '3.12.0 (stand-in)',
    pytorch_version: '2.8.0+cpu',
    embedded_python: false,
    argv: ['main.py'],
  },
  devices: [
    {
      name: 'cpu',
      type: 'cpu',
      index: null,
      vram_total: 33_554_432_000,
      vram_free: 25_165_824_000,
      torch_vram_total: 33_554_432_000,
      torch_vram_free: 25_165_824_000,
    },
  ],
};

const error = (type: string, message: string) =>
  json({ error: { type, message, details: message, extra_info: {} }, node_errors: {} }, 400);

type Handler = (exchange: Exchange) => Reply | Promise<Reply>;

/** ComfyUI's own routes of domain.md §7, each of them also below `/api`. */
export class ComfyUi {
  readonly #log: LogRing;
  readonly #userFolder: string;
  readonly #prompts: PromptQueue;
  readonly #routes: Record<string, Handler>;

  /** @param reboot what ComfyUI-Manager's reboot does; without it there is no Manager. */
  constructor(userFolder: string, log: LogRing, reboot?: () => void) {
    this.#userFolder = userFolder;
    this.#log = log;
    const prompts = new PromptQueue(log.line);
    this.#prompts = prompts;
    const done = async (exchange: Exchange) => {
      await exchange.body();
      return nothing(200);
    };
    this.#routes = {
      'GET /system_stats': () => json(STATS),
      'GET /prompt': () => json({ exec_info: { queue_remaining: prompts.remaining } }),
      'POST /prompt': (exchange) => this.#queue(exchange),
      'GET /queue': () => json({ queue_running: prompts.running, queue_pending: prompts.pending }),
      'POST /queue': (exchange) => this.#clear(exchange),
      'GET /history': () => json(prompts.history),
      'POST /history': done,
      'GET /object_info': () => json({}),
      'GET /view': () => nothing(404),
      'POST /free': done,
      'POST /interrupt': async (exchange) => {
        prompts.interrupt();
        return done(exchange);
      },
      ...(reboot !== undefined && {
        'GET /manager/reboot': () => {
          reboot();
          return nothing(200);
        },
      }),
    };
  }

  /** Answers a request; 404 where there is no such route. Throws where ComfyUI answers 500. */
  async route(exchange: Exchange): Promise<Reply> {
    const method = exchange.method === 'HEAD' ? 'GET' : exchange.method;
    const path = exchange.path;
    if (path === '/' && method === 'GET') return html('<!DOCTYPE html><title>ComfyUI</title>');
    if (path === '/internal/logs' && method === 'GET') return json(this.#log.text());
    if (path === '/internal/logs/raw' && method === 'GET') {
      return json({ entries: this.#log.entries, size: { cols: 80, rows: 24 } });
    }
    const segments = exchange.segments[0] === 'api' ? exchange.segments.slice(1) : exchange.segments;
    const handler = this.#routes[`${method} /${segments.join('/')}`];
    if (handler !== undefined) return handler(exchange);
    const [collection, name, ...more] = segments;
    if (name === undefined || name === '') return nothing(404);
    if (collection === 'userdata') return userdata(this.#userFolder, method, name, more, exchange);
    if (method !== 'GET' || more.length > 0) return nothing(404);
    if (collection === 'object_info') return json({});
    const { history } = this.#prompts;
    if (collection === 'history') return json(name in history ? { [name]: history[name] } : {});
    return nothing(404);
  }

  async #queue(exchange: Exchange): Promise<Reply> {
    const request: unknown = JSON.parse((await exchange.body()).toString('utf8'));
    const prompt =
      typeof request === 'object' && request !== null && 'prompt' in request ? request.prompt : undefined;
    if (typeof prompt !== 'object' || prompt === null) return error('no_prompt', 'No prompt provided');
    if (Object.keys(prompt).length === 0) return error('prompt_no_outputs', 'Prompt has no outputs');
    const { id, number } = this.#prompts.add(prompt);
    return json({ prompt_id: id, number, node_errors: {} });
  }

  async #clear(exchange: Exchange): Promise<Reply> {
    const { clear } = JSON.parse((await exchange.body()).toString('utf8')) as { clear?: unknown };
    if (clear === true) this.#prompts.clear();
    return nothing(200);
  }
}
