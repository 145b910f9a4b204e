import { Exit, Failure } from '../model/failure.ts';
import type { RestartDriver } from '../model/layout.ts';
import type { ProcessPort } from '../platform/process.ts';
import { runBounded } from './bounded.ts';
import type { Container } from './container.ts';
import { NotBegun, type Restart, type ServiceDriver } from './driver.ts';
import { type Hide, howItEnded } from './said.ts';

export interface CommandDeps {
  process: ProcessPort;
  /** The whole environment of the command. */
  env: NodeJS.ProcessEnv;
  /** The folder that the command runs in. */
  root: string;
  hide: Hide;
  timeoutMs: number;
}

/** A service that a command of the layout restarts, and perhaps another one ends. */
export class CommandDriver implements ServiceDriver {
  readonly name = 'command';
  readonly #layout: Extract<RestartDriver, { driver: 'command' }>;
  readonly #deps: CommandDeps;

  constructor(layout: Extract<RestartDriver, { driver: 'command' }>, deps: CommandDeps) {
    this.#layout = layout;
    this.#deps = deps;
  }

  async containers(): Promise<Container[]> {
    return [];
  }

  /** The layout knows one command, whatever changed. */
  async restart(_action: Restart, signal?: AbortSignal): Promise<void> {
    const ran = await this.#run(this.#layout.command, signal);
    if (ran.code === 0) return;
    const ending = howItEnded(ran, this.#deps.timeoutMs, this.#deps);
    // An errno: there is no such program, or it cannot be run.
    const begun = ran.code !== null || !/^E[A-Z]+$/.test(ran.failure ?? '');
    throw new (begun ? Failure : NotBegun)({
      code: 'restart-failed',
      exit: Exit.rolledBack,
      message: `the command that restarts the service, ${this.#layout.command[0]}, ${ending}`,
      remedy: `run the command of the layout's "restart" by hand, in ${this.#deps.root}`,
    });
  }

  async stop(signal?: AbortSignal): Promise<boolean> {
    const { stop } = this.#layout;
    if (stop === undefined) return false;
    try {
      return (await this.#run(stop, signal)).code === 0;
    } catch {
      // Cut off: then nothing is certain.
      return false;
    }
  }

  #run([program = '', ...args]: readonly string[], signal?: AbortSignal) {
    const { process, env, root: cwd, timeoutMs } = this.#deps;
    const options = { env, cwd, timeoutMs, ...(signal !== undefined && { signal }) };
    return runBounded(process, program, args, options);
  }
}
