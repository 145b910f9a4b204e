import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  existsSync,
  type FSWatcher,
  lchownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  watch,
  writeFileSync,
} from 'node:fs';
import { get } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { LOGIN_NODE, layComfyUi } from '../../src/stand-in/tree.ts';

const root = resolve(import.meta.dirname, '..', '..');
const ENTRYPOINT = process.env.ENTRYPOINT_BUNDLE ?? join(root, 'dist', 'entrypoint', 'index.cjs');
const CLI = process.env.CLI_BUNDLE ?? join(root, 'dist', 'cli', 'index.cjs');

export { cheapHash } from './deployment.ts';

/** A password that nobody uses. */
export const freshPassword = () => `pw-${Math.random().toString(36).slice(2)}-${Date.now().toString(36)}`;

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (typeof address !== 'object' || address === null) throw new Error('no port');
  return address.port;
}

/** The end of a run whose command ended well before any proof: nothing of ours was wrong, but it was never ready. */
export const UNPROVEN = 69;

/** A ComfyUI folder in whose `venv/bin/python` the stand-in plays Python. */
export class Deployment {
  readonly folder = mkdtempSync(join(tmpdir(), 'entrypoint-'));
  readonly comfyui = join(this.folder, 'ComfyUI');
  readonly login = join(this.comfyui, 'login');
  readonly password = join(this.login, 'PASSWORD');
  readonly node = join(this.comfyui, LOGIN_NODE);
  readonly key = join(this.node, '.secret-key.txt');
  readonly python = join(this.comfyui, 'venv', 'bin', 'python');
  readonly run = join(this.folder, 'run');
  port = 0;
  readonly #started: Running[] = [];

  static async make(): Promise<Deployment> {
    const deployment = new Deployment();
    deployment.port = await freePort();
    layComfyUi(deployment.comfyui);
    deployment.setPython(`exec '${process.execPath}' '${CLI}' stand-in-python "$@"`);
    return deployment;
  }

  /** The shell line that plays Python. */
  setPython(line: string): void {
    mkdirSync(join(this.comfyui, 'venv', 'bin'), { recursive: true });
    writeFileSync(this.python, `#!/bin/sh\n${line}\n`);
    chmodSync(this.python, 0o755);
  }

  env(more: Record<string, string> = {}): Record<string, string> {
    return {
      PATH: process.env.PATH ?? '',
      COMFYUI_DIR: this.comfyui,
      COMFYUI_PORT: String(this.port),
      RUN_DIR: this.run,
      ...more,
    };
  }

  /** What Node gets to run the entrypoint. */
  argv(...args: string[]): string[] {
    return [ENTRYPOINT, ...args];
  }

  /** The command that makes the stand-in serve, as one shell line. */
  serve(more = ''): string {
    return `exec '${this.python}' -u main.py --listen 127.0.0.1 --port ${this.port} ${more}`;
  }

  /** `uid`: as another user, who gets all that is in the folder. */
  start(args: string[], more: Record<string, string> = {}, uid?: number): Running {
    if (uid !== undefined) this.#giveTo(uid);
    const running = new Running(this.argv(...args), this.env(more), uid);
    this.#started.push(running);
    return running;
  }

  /** Runs to the end; for runs that end by themselves. */
  async end(args: string[], more: Record<string, string> = {}): Promise<Ended> {
    const running = this.start(args, more);
    const code = await running.ended;
    return { code, output: running.output, stdout: running.stdout };
  }

  healthcheck(
    args: string[] = [],
    more: Record<string, string> = {},
    uid?: number,
  ): { code: number | null; stdout: string } {
    const { status, stdout } = spawnSync(process.execPath, this.argv('healthcheck', ...args), {
      env: this.env(more),
      encoding: 'utf8',
      ...(uid !== undefined && { uid, gid: uid }),
    });
    return { code: status, stdout };
  }

  health(): HealthFile {
    return JSON.parse(readFileSync(join(this.run, 'health.json'), 'utf8'));
  }

  /** The process that serves now. Throws where there is none. */
  get childPid(): number {
    const { childPid } = this.health();
    if (childPid === null) throw new Error('no child');
    return childPid;
  }

  /** The token that the server knows by its PASSWORD file. */
  get bearer(): string {
    return readFileSync(this.password, 'utf8').split('\n', 1)[0] ?? '';
  }

  /** Asks the server, as who has the token where no other headers are given. */
  ask(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = init.headers ?? { authorization: `Bearer ${this.bearer}` };
    return fetch(`http://127.0.0.1:${this.port}${path}`, { redirect: 'manual', ...init, headers });
  }

  /** All that was said by every run, and what stands in health.json. */
  get everythingSaid(): string {
    const file = join(this.run, 'health.json');
    const health = existsSync(file) ? readFileSync(file, 'utf8') : '';
    return this.#started.map(({ output }) => output).join('') + health;
  }

  #giveTo(uid: number): void {
    chownSync(this.folder, uid, uid);
    for (const path of readdirSync(this.folder, { recursive: true, encoding: 'utf8' })) {
      lchownSync(join(this.folder, path), uid, uid);
    }
  }

  /** Ends what a failed test left running, and removes the folder. */
  remove(): void {
    for (const { process: left } of this.#started.filter((running) => running.process.exitCode === null)) {
      const childPid = existsSync(join(this.run, 'health.json')) ? this.health().childPid : null;
      left.kill('SIGKILL');
      if (childPid !== null) process.kill(-childPid, 'SIGKILL');
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export interface HealthFile {
  state: string;
  live: boolean;
  ready: boolean;
  childPid: number | null;
  restarts: number;
  reason: string | null;
  since: string;
  guard: string | null;
}

/** The states that health.json goes through; one that is left at once can be missed. */
export class StateWatch {
  readonly seen: string[] = [];
  readonly #watcher: FSWatcher;

  /** To be made before the start. */
  constructor(deployment: Deployment) {
    mkdirSync(deployment.run);
    this.#watcher = watch(deployment.run, (_, name) => {
      if (name !== 'health.json') return;
      const { state } = deployment.health();
      if (this.seen.at(-1) !== state) this.seen.push(state);
    });
  }

  close(): void {
    this.#watcher.close();
  }
}

export interface Ended {
  code: number | null;
  output: string;
  stdout: string;
}

/** An entrypoint that was started, and all that it said. */
export class Running {
  readonly process: ChildProcessWithoutNullStreams;
  readonly ended: Promise<number | null>;
  stdout = '';
  stderr = '';

  constructor(args: string[], env: Record<string, string>, uid?: number) {
    this.process = spawn(process.execPath, args, { env, ...(uid !== undefined && { uid, gid: uid }) });
    this.process.stdout.on('data', (chunk: Buffer) => {
      this.stdout += chunk.toString('utf8');
    });
    this.process.stderr.on('data', (chunk: Buffer) => {
      this.stderr += chunk.toString('utf8');
    });
    this.ended = once(this.process, 'close').then(([code]) => code as number | null);
  }

  get output(): string {
    return this.stdout + this.stderr;
  }

  /** Waits until a pattern shows up in what was said; rejects with all of it where the process ends first. */
  said(pattern: RegExp): Promise<void> {
    return this.#until(String(pattern), () => pattern.test(this.output));
  }

  /** Waits until an event has been told so many times. */
  saidTimes(event: string, times: number): Promise<void> {
    return this.#until(`${times} × ${event}`, () => this.count(event) >= times);
  }

  #until(what: string, isSaid: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = () => {
        if (isSaid()) settle(resolve);
      };
      const settle = (end: () => void) => {
        this.process.stdout.off('data', look);
        this.process.stderr.off('data', look);
        end();
      };
      this.process.stdout.on('data', look);
      this.process.stderr.on('data', look);
      void this.ended.then(() => settle(() => reject(new Error(`ended before ${what}:\n${this.output}`))));
      look();
    });
  }

  /** How many times an event has been told. */
  count(event: string): number {
    return this.output.split('\n').filter((line) => line.startsWith(`${event}: `)).length;
  }

  /** Asks it to stop, and waits. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    this.process.kill(signal);
    return await this.ended;
  }
}

/** Asks a server every 20 ms without a credential, and remembers what it got. */
export class AnonymousProber {
  oks = 0;
  asked = 0;
  #first = 0;
  #last = 0;
  readonly #timer: NodeJS.Timeout;

  constructor(port: number, path = '/system_stats') {
    this.#timer = setInterval(() => {
      this.asked++;
      const request = get({ host: '127.0.0.1', port, path, agent: false, timeout: 1000 }, (response) => {
        response.resume();
        if (response.statusCode === 200) this.#count();
      });
      request.on('error', () => undefined);
    }, 20);
  }

  /** From the first 200 to the last, in milliseconds: how long the server was open. */
  get openMs(): number {
    return Math.round(this.#last - this.#first);
  }

  #count(): void {
    this.oks++;
    this.#last = performance.now();
    if (this.oks === 1) this.#first = this.#last;
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
