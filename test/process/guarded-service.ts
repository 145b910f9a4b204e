import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync } from 'node:fs';
import { get, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { GUARD_NODE, layGuard } from '../../src/stand-in/tree.ts';
import { freePort, listening, RunningService } from './deploy-stage.ts';
import { cleanEnv } from './deployment.ts';

/**
 * Stands before the server, and spoils what it says to a reload, by what `fault` names: `refused`, `unsupported`,
 * `cut` (the server reloads, and nobody hears it), `hush` (it does, and nobody is told), `mute` (it is never told, and nobody hears anything), `sick` (from the first reload to the second every bearer is refused, while
 * the process is the same), `old` (the bearer that `/healthz` was asked with first is let in for ever),
 * `grace` (the same, as the server has announced it), `open` (a reloaded process lets everybody in), `suffix` (names that end in `.js` are open). It counts the reloads in `reloads`.
 */
const FRONT = `
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { createServer, request } from 'node:http';
const [folder, port, upstream] = process.argv.slice(2);
let reloads = 0;
let reloaded;
const pid = () => existsSync(folder + '/pid') && readFileSync(folder + '/pid', 'utf8');
const stats = { system: { comfyui_version: '1', python_version: '3' }, devices: [] };
let first;
let live;
const fault = () => existsSync(folder + '/fault') ? readFileSync(folder + '/fault', 'utf8') : '';
const say = (response, status, body) => response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
createServer((incoming, response) => {
  const { method, url, headers } = incoming;
  const now = fault();
  if (url === '/reload_token') {
    appendFileSync(folder + '/reloads', now + '\\n');
    if (now === 'refused') return say(response, 409, { code: 'password-invalid', error: '' });
    if (now === 'mute') return;
    if (now === 'unsupported') return say(response, 501, { code: 'reload-unsupported', error: '' });
    reloads += 1;
    reloaded = pid();
    if (now === 'grace') live = 'Bearer ' + readFileSync(folder + '/comfyui/login/PASSWORD', 'utf8').split('\\n')[0];
  } else if (headers.authorization !== undefined) {
    if (url === '/healthz') first ??= headers.authorization;
    if (now === 'sick' && reloads === 1 && reloaded === pid()) return say(response, 401, { error: '' });
    if ((now === 'old' || now === 'grace') && url === '/system_stats' && headers.authorization === first) return say(response, 200, stats);
  }
  if (now === 'suffix' && url.endsWith('.js')) return say(response, 200, {});
  // A guard tells whom it lets in for a while what is live.
  if (live !== undefined && url === '/healthz' && headers.authorization === first) headers.authorization = live;
  if (now === 'open' && url === '/system_stats' && reloaded !== undefined && reloaded === pid()) return say(response, 200, stats);
  const outgoing = request({ host: '127.0.0.1', port: Number(upstream), method, path: url, headers }, (answer) => {
    if (now === 'cut' && url === '/reload_token') return incoming.socket.destroy();
    if (now === 'hush' && url === '/reload_token') return answer.resume();
    if (now === 'grace' && url === '/reload_token') {
      const chunks = [];
      answer.on('data', (chunk) => chunks.push(chunk));
      return answer.on('end', () => say(response, 200, { ...JSON.parse(Buffer.concat(chunks)), graceSeconds: 7 }));
    }
    response.writeHead(answer.statusCode, answer.headers);
    answer.pipe(response);
  });
  outgoing.on('error', () => incoming.socket.destroy());
  incoming.pipe(outgoing);
}).listen(Number(port), '127.0.0.1');
`;

/** What the front does to a reload. */
type Fault =
  | 'refused'
  | 'unsupported'
  | 'cut'
  | 'hush'
  | 'mute'
  | 'sick'
  | 'old'
  | 'grace'
  | 'open'
  | 'suffix';

/** The guard itself beside the real node, as the service has it where COMFYUI_LOGIN_DIR names one; else its stand-in. */
function layTheGuard(comfyui: string): void {
  const guard = join(import.meta.dirname, '..', '..', 'image', 'guard');
  if (process.env.COMFYUI_LOGIN_DIR === undefined) layGuard(comfyui);
  else cpSync(guard, join(comfyui, GUARD_NODE), { recursive: true });
}

interface GuardedOptions {
  driver?: 'command' | 'none';
  guard?: boolean;
  /** What reads the `.env`. */
  readers?: string;
  /** The files hold bearers alone: no form can tell them apart. */
  bearersAlone?: boolean;
}

/** A running service whose server has the guard, perhaps behind a front that spoils its answers. */
export class GuardedService {
  readonly service: RunningService;
  #front: ChildProcess | undefined;

  private constructor(service: RunningService) {
    this.service = service;
  }

  static async start(options: GuardedOptions = {}): Promise<GuardedService> {
    const { driver = 'command', guard = true, readers = 'dotenv', bearersAlone } = options;
    const service = await RunningService.start();
    if (guard) {
      layTheGuard(service.path('comfyui'));
      service.command('start');
    }
    const one = new GuardedService(service);
    const keys = bearersAlone ? ', keys: { COMFYUI_BEARER_TOKEN: bearer }' : '';
    one.#edit('readers: [dotenv]', `readers: [${readers}]${keys}`);
    if (driver === 'none') one.#edit(/restart: .*/, 'restart: { driver: none }');
    await listening(service.port);
    return one;
  }

  #edit(from: string | RegExp, to: string): void {
    const layout = this.service.read('comfyui-auth.yml');
    this.service.write(
      'comfyui-auth.yml',
      layout.replace(from, () => to),
    );
  }

  /** Puts the front before the server: from now on the layout names its address. */
  async spoil(fault: Fault): Promise<void> {
    const { service } = this;
    const port = await freePort();
    service.write('front.mjs', FRONT);
    service.write('fault', fault);
    const args = [service.path('front.mjs'), service.root, String(port), String(service.port)];
    this.#front = spawn(process.execPath, args, { env: cleanEnv(), stdio: 'ignore' });
    await listening(port);
    this.#edit(`:${service.port}`, `:${port}`);
  }

  /** Ends what the front does. */
  heal(): void {
    this.service.write('fault', '');
  }

  /** How often the front was asked for a reload. */
  get reloads(): number {
    return this.service.read('reloads').split('\n').length - 1;
  }

  /** Over a connection of its own: one that was kept may be of a process that has ended. */
  async #ask(headers: Record<string, string>): Promise<number> {
    const url = `http://127.0.0.1:${this.service.port}/system_stats`;
    const [answer] = (await once(get(url, { headers, agent: false }), 'response')) as [IncomingMessage];
    answer.resume();
    return answer.statusCode ?? 0;
  }

  /** What the server itself says to a bearer. */
  withBearer(bearer: string): Promise<number> {
    return this.#ask({ authorization: `Bearer ${bearer}` });
  }

  /** Resolves when the server itself refuses a bearer. */
  async refuses(bearer: string): Promise<void> {
    while ((await this.withBearer(bearer)) !== 401);
  }

  withCookie(cookie: string): Promise<number> {
    return this.#ask({ cookie });
  }

  /** A session of somebody who has logged in by the form. */
  async login(): Promise<string> {
    const body = new URLSearchParams({ username: 'admin', password: this.service.password });
    const url = `http://127.0.0.1:${this.service.port}/login`;
    const { headers } = await fetch(url, { method: 'POST', body, redirect: 'manual' });
    return headers.get('set-cookie')?.split(';')[0] ?? '';
  }

  /** The bearer that the files hold. */
  get bearer(): string {
    return this.service.read('comfyui/login/PASSWORD').split('\n')[0] ?? '';
  }

  async remove(): Promise<void> {
    if (this.#front !== undefined) {
      const ended = once(this.#front, 'exit');
      this.#front.kill('SIGKILL');
      await ended;
    }
    this.service.remove();
  }
}
