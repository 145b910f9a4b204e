import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { type Engine, type Inspected, onPath } from '../docker/engine.ts';
import { Program } from '../docker/program.ts';
import { type Answers, PROBER } from './prober.ts';

export interface ContainerOptions {
  env?: Record<string, string>;
  /** For `docker create`. */
  args?: string[];
  /** In the place of the image's own `run`. */
  command?: string[];
}

interface Asked {
  method?: string;
  bearer?: string;
  body?: string;
}

const ASK = `
const [url, { method, bearer, body }] = [process.argv[1], JSON.parse(process.argv[2])];
const headers = bearer === undefined ? {} : { authorization: 'Bearer ' + bearer };
const say = (answer) => process.stdout.write(JSON.stringify(answer));
fetch(url, { method, headers, body, redirect: 'manual' })
  .then(async (answer) => say({ status: answer.status, body: await answer.text() }))
  .catch(() => say({ status: 0, body: '' }));
`;

/** The user that the image runs as. */
export const USER = 1000;

export const COMFYUI = '/workspace/ComfyUI';
export const NODE = `${COMFYUI}/custom_nodes/ComfyUI-Login`;

/** A container of the image, its output, and what asks it without a credential from its making on. */
export class Container {
  readonly id: string;
  readonly url: string;
  readonly #engine: Engine;
  #prober: Program | undefined;
  #log: Program | undefined;

  private constructor(engine: Engine, id: string, port: number) {
    this.#engine = engine;
    this.id = id;
    this.url = `http://127.0.0.1:${port}`;
  }

  static async create(
    engine: Engine,
    image: string,
    port: number,
    { env = {}, args = [], command = [] }: ContainerOptions,
  ): Promise<Container> {
    const variables = Object.entries({ TORCH_LOCK: 'off', ...env }).flatMap(([name, value]) => [
      '--env',
      `${name}=${value}`,
    ]);
    const published = ['--publish', `127.0.0.1:${port}:8188`];
    // One for all: without the bytecode of the one before, each start would compile all of Python's packages.
    const cache = args.some((word) => word.includes('/cache')) ? [] : ['--volume', 'cache-of-all:/cache'];
    const id = await engine.docker(
      'create',
      ...published,
      ...cache,
      ...variables,
      ...args,
      image,
      ...command,
    );
    return new Container(engine, id, port);
  }

  /** One that somebody else made. */
  static of(engine: Engine, id: string, port: number): Container {
    const container = new Container(engine, id, port);
    container.follow();
    return container;
  }

  /** All that it has said since it was followed. */
  get output(): string {
    return (this.#log?.stdout ?? '') + (this.#log?.stderr ?? '');
  }

  /** Asks paths of it 20 times a second without a credential, from before its start until `answers`. */
  async probe(...paths: string[]): Promise<void> {
    const words = [process.execPath, '-e', PROBER, ...paths.map((path) => this.url + path)];
    this.#prober = new Program(this.#engine.inside(...words), this.#engine.env);
    await once(this.#prober.process, 'spawn');
  }

  /** What the prober got, path by path; it ends. */
  async answers(): Promise<Answers[]> {
    const prober = this.#prober;
    this.#prober = undefined;
    if (prober === undefined) return [];
    prober.process.kill('SIGTERM');
    await prober.ended;
    return JSON.parse(prober.stdout);
  }

  async start(): Promise<this> {
    await this.#engine.docker('start', this.id);
    this.follow();
    return this;
  }

  /** Takes up its output anew: all of it, or what it says from a moment on. */
  follow(since?: string): void {
    this.#log?.process.kill();
    const from = since === undefined ? [] : ['--since', since];
    this.#log = new Program([onPath('docker'), ['logs', '--follow', ...from, this.id]], this.#engine.env);
  }

  /** Restarts it as Docker does; from now on its output is that of its new life. */
  async restart(): Promise<void> {
    await this.#engine.docker('restart', this.id);
    this.follow((await this.inspect()).State.StartedAt);
  }

  /** Stops it as Docker does; gives how long that took, in ms. */
  async stop(): Promise<number> {
    const start = performance.now();
    await this.#engine.docker('stop', this.id);
    return performance.now() - start;
  }

  /** Resolves when it says something; rejects with all that it said where it ends before. */
  async said(pattern: RegExp): Promise<void> {
    const log = this.#log;
    if (log === undefined) throw new Error('it was never started');
    await new Promise<void>((resolve, reject) => {
      const look = () => {
        if (pattern.test(this.output)) resolve();
      };
      log.process.stdout?.on('data', look);
      log.process.stderr?.on('data', look);
      void log.ended.then(() => reject(new Error(`ended before ${pattern}:\n${this.output}`)));
      look();
    });
  }

  /** Its exit code, once it has ended and all its output is there. */
  async ended(): Promise<number> {
    const code = Number(await this.#engine.docker('wait', this.id));
    await this.#log?.ended;
    return code;
  }

  async inspect(): Promise<Inspected> {
    const [found] = JSON.parse(await this.#engine.docker('inspect', this.id)) as Inspected[];
    if (found === undefined) throw new Error('it is gone');
    return found;
  }

  /** Runs a command in it; gives its stdout. */
  exec(...words: string[]): Promise<string> {
    return this.#engine.docker('exec', this.id, ...words);
  }

  /** Asks it over HTTP where the engine's ports are; status 0 where it gives no answer. */
  async ask(path: string, options: Asked = {}): Promise<{ status: number; body: string }> {
    const words = [process.execPath, '-e', ASK, this.url + path, JSON.stringify(options)];
    const asked = new Program(this.#engine.inside(...words), this.#engine.env);
    await asked.ended;
    return JSON.parse(asked.stdout);
  }

  /** The status that whoever has no credential gets, and who has this bearer. */
  async statuses(bearer: string): Promise<[anonymous: number, withBearer: number]> {
    return [(await this.ask('/system_stats')).status, (await this.ask('/system_stats', { bearer })).status];
  }

  async remove(): Promise<void> {
    await this.answers();
    await this.#engine.docker('rm', '--force', '--volumes', this.id);
    await this.#log?.ended;
  }
}

/** A folder on the host that a test hands into a container. */
export class HostFolder {
  readonly path = mkdtempSync(join(tmpdir(), 'comfyui-auth-image-'));

  constructor() {
    chmodSync(this.path, 0o755);
  }

  /** A folder in it, made, of the image's user. */
  folder(name: string): string {
    const path = join(this.path, name);
    mkdirSync(path, { recursive: true });
    chownSync(path, USER, USER);
    return path;
  }

  /** A file in it, of the image's user alone. */
  file(name: string, content: string | Buffer): string {
    const path = join(this.folder(dirname(name)), basename(name));
    writeFileSync(path, content, { mode: 0o600 });
    chownSync(path, USER, USER);
    return path;
  }

  /** A copy of a folder in it, of the image's user. */
  copy(from: string, name: string): void {
    const to = join(this.path, name);
    const wanted = (path: string) => !['.git', '__pycache__'].includes(basename(path));
    cpSync(from, to, { recursive: true, filter: wanted });
    this.own(name, USER);
  }

  /** Gives a file or folder in it to a user, with all that is in it. */
  own(name: string, user: number): void {
    execFileSync('chown', ['--recursive', `${user}:${user}`, join(this.path, name)]);
  }

  move(name: string, to: string): void {
    renameSync(join(this.path, name), join(this.path, to));
  }

  drop(name: string): void {
    rmSync(join(this.path, name), { recursive: true });
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}
