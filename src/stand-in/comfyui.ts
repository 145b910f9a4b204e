import { randomUUID } from 'node:crypto';
import { type Exchange, html, json, nothing, type Reply } from './exchange.ts';
import type { LogRing } from './log-ring.ts';
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
  readonly #history: Record<string, unknown> = {};
  readonly #routes: Record<string, Handler>;

  constructor(userFolder: string, log: LogRing) {
    this.#userFolder = userFolder;
    this.#log = log;
    const done = async (exchange: Exchange) => {
      await exchange.body();
      return nothing(200);
    };
    this.#routes = {
      'GET /system_stats': () => json(STATS),
      'GET /prompt': () => json({ exec_info: { queue_remaining: 0 } }),
      'POST /prompt': (exchange) => this.#queue(exchange),
      'GET /queue': () => json({ queue_running: [], queue_pending: [] }),
      'POST /queue': done,
      'GET /history': () => json(this.#history),
      'POST /history': done,
      'GET /object_info': () => json({}),
      'GET /view': () => nothing(404),
      'POST /free': done,
      'POST /interrupt': done,
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
    if (collection === 'history') return json(name in this.#history ? { [name]: this.#history[name] } : {});
    return nothing(404);
  }

  async #queue(exchange: Exchange): Promise<Reply> {
    const request: unknown = JSON.parse((await exchange.body()).toString('utf8'));
    const prompt =
      typeof request === 'object' && request !== null && 'prompt' in request ? request.prompt : undefined;
    if (typeof prompt !== 'object' || prompt === null) return error('no_prompt', 'No prompt provided');
    if (Object.keys(prompt).length === 0) return error('prompt_no_outputs', 'Prompt has no outputs');
    const id = randomUUID();
    const status = { status_str: 'success', completed: true, messages: [] };
    this.#history[id] = { prompt: [0, id, prompt, {}, []], outputs: {}, status };
    return json({ prompt_id: id, number: Object.keys(this.#history).length - 1, node_errors: {} });
  }
}
