import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { Exit, Failure } from '../model/failure.ts';
import type { ProcessPort, ProcessResult } from '../platform/process.ts';
import { runBounded } from './bounded.ts';
import { engineState, engineUnreachable, QUESTION_MS } from './engine.ts';
import { type Hide, howItEnded } from './said.ts';

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
  /** No program may take longer. */
  timeoutMs: number;
}

/** Compose, whichever can be run here, for one service. */
export class ComposeProgram {
  readonly #target: ComposeService;
  readonly #deps: ComposeDeps;
  readonly #questionMs: number;
  #flavour: Flavour | undefined;

  constructor(target: ComposeService, deps: ComposeDeps) {
    this.#target = target;
    this.#deps = deps;
    this.#questionMs = Math.min(deps.timeoutMs, QUESTION_MS);
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
  async ids(signal?: AbortSignal): Promise<string[]> {
    const { early } = await this.#found(signal);
    const { service } = this.#target;
    const args = early ? ['ps', '-q', service] : ['ps', '-a', '-q', service];
    const ran = await this.run(args, this.#questionMs, signal);
    if (ran.code !== 0) throw await this.#unanswered(ran, signal);
    return ran.stdout.split(/\s+/).filter((word) => /^[0-9a-f]{12,64}$/.test(word));
  }

  /** Runs a command on the compose file; its exit code is the caller's to judge. Throws as `ids` does. */
  async run(args: readonly string[], timeoutMs: number, signal?: AbortSignal): Promise<ProcessResult> {
    const { command, lead } = await this.#found(signal);
    const { file } = this.#target;
    if (!existsSync(file)) throw fileMissing(this.#target);
    return this.#start(command, [...lead, '-f', file, ...args], timeoutMs, dirname(file), signal);
  }

  #start(
    command: string,
    args: readonly string[],
    timeoutMs: number,
    cwd?: string,
    signal?: AbortSignal,
  ): Promise<ProcessResult> {
    return runBounded(this.#deps.process, command, args, {
      env: this.#deps.env,
      timeoutMs,
      ...(cwd !== undefined && { cwd }),
      ...(signal !== undefined && { signal }),
    });
  }

  async #found(signal?: AbortSignal): Promise<Flavour> {
    this.#flavour ??= await this.#find(signal);
    return this.#flavour;
  }

  async #find(signal?: AbortSignal): Promise<Flavour> {
    const ask = (command: string, lead: readonly string[]) =>
      this.#start(command, [...lead, 'version', '--short'], this.#questionMs, undefined, signal);
    const plugin = await ask('docker', ['compose']);
    if (plugin.code === 0) return { command: 'docker', lead: ['compose'], early: false };
    const alone = await ask('docker-compose', []);
    if (alone.code === 0) {
      return { command: 'docker-compose', lead: [], early: /^v?1\./.test(alone.stdout.trim()) };
    }
    throw (await this.#engineFailure(signal)) ?? composeMissing();
  }

  async #engineFailure(signal?: AbortSignal): Promise<Failure | undefined> {
    const { process, env } = this.#deps;
    const engine = await engineState(process, env, this.#questionMs, signal);
    return engine.ok ? undefined : engineUnreachable(engine.reason);
  }

  /** Why Compose did not say which containers there are: mostly since no engine answers. */
  async #unanswered(ran: ProcessResult, signal?: AbortSignal): Promise<Failure> {
    const engine = await this.#engineFailure(signal);
    if (engine !== undefined) return engine;
    const { file, service } = this.#target;
    const ending = howItEnded(ran, this.#questionMs, this.#deps.hide);
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
