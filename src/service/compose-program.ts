import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { Exit, Failure } from '../model/failure.ts';
import type { ProcessPort, ProcessResult } from '../platform/process.ts';
import { type Bounds, runBounded } from './bounded.ts';
import type { DockerCommand } from './docker-command.ts';
import { type Engine, engineUnreachable } from './engine.ts';
import { type Discretion, type Hide, howItEnded } from './said.ts';

/** How Compose is called on this machine. */
interface Flavour {
  command: string;
  lead: readonly string[];
  /** Version 1 of `docker-compose`, whose `ps -a` adds the containers of `run`. */
  early: boolean;
}

/** A service of a compose file, as the layout names it. */
export interface ComposeService {
  /** Absolute path of the compose file. */
  file: string;
  service: string;
}

export interface ComposeDeps {
  process: ProcessPort;
  /** The whole environment of the programs. */
  env: NodeJS.ProcessEnv;
  hide: Hide;
  docker: DockerCommand;
  engine: Engine;
  /** No program may take longer. */
  timeoutMs: number;
}

const idsIn = (stdout: string) => stdout.split(/\s+/).filter((word) => /^[0-9a-f]{12,64}$/.test(word));

/** Compose, whichever can be run here, for one service. */
export class ComposeProgram {
  readonly #target: ComposeService;
  readonly #deps: ComposeDeps;
  readonly #questionMs: number;
  #flavour: Flavour | undefined;

  constructor(target: ComposeService, deps: ComposeDeps) {
    this.#target = target;
    this.#deps = deps;
    this.#questionMs = deps.docker.timeoutMs;
  }

  /** How much of its words may be shown. */
  get discretion(): Discretion {
    return { hide: this.#deps.hide, names: [this.#target.service, this.#target.file] };
  }

  /** The command as a person would type it. */
  line(...args: string[]): string {
    const { command, lead } = this.#flavour ?? { command: 'docker', lead: ['compose'] };
    return [command, ...lead, '-f', this.#target.file, ...args].join(' ');
  }

  /**
   * The ids of the service's containers, ended ones too. Throws a Failure: `compose-file-missing` (exit 2);
   * `engine-unreachable`, `compose-missing`, `compose-failed` (exit 3).
   */
  async ids(bounds: Bounds = {}): Promise<string[]> {
    const { early } = await this.#require(bounds);
    const ran = await this.run(this.#listing(early), { timeoutMs: this.#questionMs, ...bounds });
    if (ran.code !== 0) throw await this.#unanswered(ran, bounds);
    return idsIn(ran.stdout);
  }

  /** What `ids` gives; undefined where Compose does not say it, and nobody is asked why. */
  async listed(bounds: Bounds): Promise<string[] | undefined> {
    const flavour = await this.#usable(bounds);
    return flavour && this.#answer(this.#listing(flavour.early), bounds);
  }

  /**
   * The ids of the containers that run, none of a `run` beside them; undefined where Compose does not say it. Its first
   * version lists those of a `run` too: that one is to `kill`.
   */
  async running(bounds: Bounds): Promise<string[] | undefined> {
    const flavour = await this.#usable(bounds);
    if (flavour === undefined || flavour.early) return undefined;
    return this.#answer(['ps', '-q', this.#target.service], bounds);
  }

  /** Lets Compose itself end what runs. Whether it could is not told: look afterwards. */
  async kill(bounds: Bounds): Promise<void> {
    if (await this.#usable(bounds)) await this.run(['kill', this.#target.service], bounds);
  }

  /** Whether it is version 1, which is no longer made for the engines of today. Throws as `ids` does. */
  async isEarly(bounds: Bounds): Promise<boolean> {
    return (await this.#require(bounds)).early;
  }

  /** Runs a command on the compose file; its exit code is the caller's to judge. Throws as `ids` does. */
  async run(
    args: readonly string[],
    { signal, timeoutMs = this.#deps.timeoutMs }: Bounds,
  ): Promise<ProcessResult> {
    const { command, lead } = await this.#require({ signal });
    const { file } = this.#target;
    if (!existsSync(file)) throw fileMissing(this.#target);
    const { process, env } = this.#deps;
    const options = { env, cwd: dirname(file), timeoutMs, signal };
    return runBounded(process, command, [...lead, '-f', file, ...args], options);
  }

  #listing(early: boolean): string[] {
    return early ? ['ps', '-q', this.#target.service] : ['ps', '-a', '-q', this.#target.service];
  }

  async #answer(args: readonly string[], bounds: Bounds): Promise<string[] | undefined> {
    const { code, stdout } = await this.run(args, bounds);
    return code === 0 ? idsIn(stdout) : undefined;
  }

  /** The way Compose can be called; undefined where it, or the compose file, is not there. */
  async #usable(bounds: Bounds): Promise<Flavour | undefined> {
    this.#flavour ??= await this.#find(bounds);
    return existsSync(this.#target.file) ? this.#flavour : undefined;
  }

  async #require(bounds: Bounds): Promise<Flavour> {
    this.#flavour ??= await this.#find(bounds);
    if (this.#flavour === undefined) throw (await this.#engineFailure(bounds)) ?? composeMissing();
    return this.#flavour;
  }

  async #find({ signal, timeoutMs = this.#questionMs }: Bounds): Promise<Flavour | undefined> {
    const { process, env } = this.#deps;
    const ask = (command: string, lead: readonly string[]) =>
      runBounded(process, command, [...lead, 'version', '--short'], { env, timeoutMs, signal });
    const plugin = await ask('docker', ['compose']);
    if (plugin.code === 0) return { command: 'docker', lead: ['compose'], early: false };
    const alone = await ask('docker-compose', []);
    if (alone.code !== 0) return undefined;
    return { command: 'docker-compose', lead: [], early: /^v?1\./.test(alone.stdout.trim()) };
  }

  async #engineFailure(bounds: Bounds): Promise<Failure | undefined> {
    const state = await this.#deps.engine.state(bounds);
    return state.ok ? undefined : engineUnreachable(state.reason);
  }

  /** Why Compose did not say which containers there are: mostly since no engine answers. */
  async #unanswered(ran: ProcessResult, bounds: Bounds): Promise<Failure> {
    const engine = await this.#engineFailure(bounds);
    if (engine !== undefined) return engine;
    const { file, service } = this.#target;
    const ending = howItEnded(ran, this.#questionMs, this.discretion);
    return new Failure({
      code: 'compose-failed',
      exit: Exit.unknown,
      message: `${file}: Compose does not say which containers the service ${service} has: it ${ending}`,
      remedy: this.line('config', '--quiet'),
      location: { path: file },
    });
  }
}

function composeMissing(): Failure {
  return new Failure({
    code: 'compose-missing',
    exit: Exit.unknown,
    message: 'neither "docker compose" nor "docker-compose" can be run',
    remedy: 'install the Compose plugin of docker',
  });
}

function fileMissing({ file, service }: ComposeService): Failure {
  return new Failure({
    code: 'compose-file-missing',
    exit: Exit.usage,
    message: `${file} is not there: the layout's "restart" names it as the compose file of ${service}`,
    remedy: 'name the compose file in the layout: restart: { driver: compose, file: …, service: … }',
    location: { path: file },
  });
}
