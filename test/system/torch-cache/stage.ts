import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, lstatSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Event } from './host.ts';
import { lockOf, torchWheels, type Wheel, writeWheels } from './wheels.ts';

const root = resolve(import.meta.dirname, '..', '..', '..');

/** The system's, where there is one: other users can run it. */
export const PYTHON = existsSync('/usr/bin/python3') ? '/usr/bin/python3' : 'python3';

/** A Python of its own, with pip; made once for a file of tests. */
export class Workshop {
  readonly folder = mkdtempSync(join(tmpdir(), 'torch-cache-'));
  readonly host = join(this.folder, 'host.cjs');
  readonly venv = join(this.folder, 'venv');
  readonly python = join(this.venv, 'bin', 'python');
  readonly sitePackages: string;
  readonly #own: Set<string>;

  constructor() {
    const host = join(import.meta.dirname, 'host.ts');
    const options = ['--bundle', '--platform=node', '--format=cjs', '--log-level=error'];
    execFileSync(join(root, 'node_modules', '.bin', 'esbuild'), [host, ...options, `--outfile=${this.host}`]);
    execFileSync(PYTHON, ['-m', 'venv', this.venv]);
    const ask = 'import sysconfig; print(sysconfig.get_path("purelib"))';
    this.sitePackages = execFileSync(this.python, ['-c', ask], { encoding: 'utf8' }).trim();
    this.#own = new Set(readdirSync(this.sitePackages));
    // Another user is to reach it.
    execFileSync('chmod', ['755', this.folder]);
  }

  /** Gives back site-packages as they were. */
  reset(): void {
    for (const name of readdirSync(this.sitePackages).filter((one) => !this.#own.has(one))) {
      rmSync(join(this.sitePackages, name), { recursive: true });
    }
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** One cache, one wheelhouse, one lock. */
export class Stage {
  readonly folder: string;
  readonly cache: string;
  readonly wheelhouse: string;
  readonly lock: string;
  readonly workshop: Workshop;
  readonly #started: Host[] = [];

  constructor(workshop: Workshop, wheels: readonly Wheel[] = torchWheels()) {
    this.workshop = workshop;
    this.folder = mkdtempSync(join(workshop.folder, 'stage-'));
    execFileSync('chmod', ['755', this.folder]);
    this.cache = join(this.folder, 'cache', 'torch');
    this.wheelhouse = join(this.folder, 'wheelhouse');
    this.lock = join(this.folder, 'torch.lock');
    this.supply(wheels);
  }

  /** Puts wheels into the wheelhouse, and locks them. */
  supply(wheels: readonly Wheel[]): void {
    writeWheels(this.wheelhouse, wheels);
    writeFileSync(this.lock, `# a lock\n${lockOf(this.wheelhouse, wheels)}`);
  }

  env(more: Record<string, string> = {}): Record<string, string> {
    return {
      PATH: '/usr/local/bin:/usr/bin:/bin',
      HOST_PYTHON: this.workshop.python,
      TORCH_LOCK: this.lock,
      TORCH_CACHE: this.cache,
      TORCH_WHEELHOUSE: this.wheelhouse,
      TORCH_INSTALLER: 'pip',
      ...more,
    };
  }

  /** Without a wheelhouse: nothing to build from. */
  get bare(): Record<string, string> {
    return { TORCH_WHEELHOUSE: '' };
  }

  start(args: string[] = [], more: Record<string, string> = {}, options: StartOptions = {}): Host {
    const { uid, around = [] } = options;
    const words = [...around, process.execPath, this.workshop.host, ...args];
    const host = new Host(words, this.env(more), uid);
    this.#started.push(host);
    return host;
  }

  /** Runs to the end. */
  async run(args: string[] = [], more: Record<string, string> = {}, options: StartOptions = {}) {
    const host = this.start(args, more, options);
    return { code: await host.ended, ...host.answer };
  }

  /** What ComfyUI's Python says; its errors too. */
  ask(code: string): string {
    return execFileSync(this.workshop.python, ['-c', code], { encoding: 'utf8', cwd: '/' }).trim();
  }

  /** Where ComfyUI's Python finds torch, and which. */
  torch(): { path: string; version: string } {
    const [path = '', version = ''] = this.ask(
      'import torch; print(torch.__file__); print(torch.__version__)',
    ).split('\n');
    return { path, version };
  }

  /** The names in the cache, finished stores as `store`. */
  names(): string[] {
    return readdirSync(this.cache).map((name) =>
      /^[0-9a-f]{64}$/.test(name) ? 'store' : name.replace(/^(\.[a-z]+-).*/, '$1…'),
    );
  }

  stores(): string[] {
    return readdirSync(this.cache).filter((name) => /^[0-9a-f]{64}$/.test(name));
  }

  /** The only store. */
  get store(): string {
    const [name, ...more] = this.stores();
    if (name === undefined || more.length > 0) throw new Error(`stores: ${this.stores().join(' ')}`);
    return join(this.cache, name);
  }

  /** Every file and folder of the cache and of site-packages, with inode, size and times. */
  state(): string[] {
    const list = (folder: string): string[] =>
      readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((name) => {
        const { ino, size, mode, mtimeMs, ctimeMs } = lstatSync(join(folder, name));
        return [folder, name, ino, size, mode, mtimeMs, ctimeMs].join(' ');
      });
    return [...list(this.cache), ...list(this.workshop.sitePackages)].sort();
  }

  /** Ends what a failed test left running. */
  async remove(): Promise<void> {
    for (const host of this.#started) if (host.process.exitCode === null) host.process.kill('SIGKILL');
    await Promise.all(this.#started.map((host) => host.ended));
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
    this.workshop.reset();
  }
}

export interface StartOptions {
  uid?: number;
  /** Words before the command: `strace …`, `unshare …`. */
  around?: string[];
}

/** A start that goes on. */
export class Host {
  readonly process: ChildProcess;
  readonly ended: Promise<number | NodeJS.Signals | null>;
  #output = '';
  readonly #listeners = new Set<() => void>();

  constructor([program = '', ...args]: string[], env: Record<string, string>, uid?: number) {
    const who = uid === undefined ? {} : { uid, gid: uid };
    this.process = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'pipe'], ...who });
    for (const stream of [this.process.stdout, this.process.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        this.#output += chunk.toString('utf8');
        for (const listener of this.#listeners) listener();
      });
    }
    this.ended = once(this.process, 'close').then(([code, signal]) => code ?? signal);
  }

  get output(): string {
    return this.#output;
  }

  get events(): Event[] {
    return this.#output
      .split('\n')
      .filter((line) => line.startsWith('{"time"'))
      .map((line) => JSON.parse(line) as Event);
  }

  get answer() {
    const { events, output } = this;
    const refused = events.find(({ event }) => event === 'refused');
    return {
      output,
      events,
      tier: events.find(({ event }) => event === 'provided')?.message,
      env: events.find(({ event }) => event === 'provided'),
      refused: refused === undefined ? undefined : { code: refused.code as string, message: refused.message },
      remedy: refused?.remedy as string | undefined,
    };
  }

  /** Waits for an event; rejects where the process ends first. */
  said(event: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = () => {
        if (!this.events.some((one) => one.event === event)) return;
        this.#listeners.delete(look);
        resolve();
      };
      this.#listeners.add(look);
      void this.ended.then(() => {
        if (this.#listeners.has(look)) reject(new Error(`ended before ${event}:\n${this.#output}`));
      });
      look();
    });
  }
}
