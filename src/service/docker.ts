import type { ProcessPort, ProcessResult } from '../platform/process.ts';
import { runBounded } from './bounded.ts';
import type { Container } from './container.ts';
import { type EngineReason, engineState, engineUnreachable, QUESTION_MS } from './engine.ts';
import { containersIn } from './inspect.ts';

/** A container that is gone when it is asked for is no fault: compose removes the old one while we look. */
const NO_FAULT = /no such (?:container|object)|^\s*$|^warning/i;

/** What drivers need of the `docker` command. */
export class Docker {
  readonly #process: ProcessPort;
  readonly #env: NodeJS.ProcessEnv;
  readonly #timeoutMs: number;

  /** `env` is the whole environment of the programs; no call takes longer than `timeoutMs`. */
  constructor(process: ProcessPort, env: NodeJS.ProcessEnv, timeoutMs: number) {
    this.#process = process;
    this.#env = env;
    this.#timeoutMs = Math.min(timeoutMs, QUESTION_MS);
  }

  #run(args: readonly string[], signal?: AbortSignal): Promise<ProcessResult> {
    const options = { env: this.#env, timeoutMs: this.#timeoutMs, ...(signal !== undefined && { signal }) };
    return runBounded(this.#process, 'docker', args, options);
  }

  /** Why no engine answers; undefined where one does. */
  async #trouble(signal?: AbortSignal): Promise<EngineReason | undefined> {
    const state = await engineState(this.#process, this.#env, this.#timeoutMs, signal);
    return state.ok ? undefined : state.reason;
  }

  /** Those of the containers that are still there, and are the service's. Throws a Failure `engine-unreachable`. */
  async inspect(ids: readonly string[], service: string, signal?: AbortSignal): Promise<Container[]> {
    if (ids.length === 0) return [];
    const ran = await this.#run(['inspect', '--type', 'container', ...ids], signal);
    const faultless = ran.stderr.split('\n').every((line) => NO_FAULT.test(line));
    const answered = ran.code === 0 || (ran.code !== null && faultless);
    const found = answered ? containersIn(ran.stdout, service) : undefined;
    if (found !== undefined) return found;
    throw engineUnreachable((await this.#trouble(signal)) ?? 'no-answer');
  }

  /** Ends containers at once. What has ended already is not told from what could not be ended: look afterwards. */
  async kill(ids: readonly string[], signal?: AbortSignal): Promise<void> {
    if (ids.length > 0) await this.#run(['kill', ...ids], signal);
  }

  /** Removes containers that do not run. What cannot be removed is left. */
  async remove(ids: readonly string[], signal?: AbortSignal): Promise<void> {
    if (ids.length > 0) await this.#run(['rm', ...ids], signal);
  }

  /** Takes the containers' restart policy away, so that a restart of the engine does not bring them back. */
  async forbidRestart(ids: readonly string[], signal?: AbortSignal): Promise<boolean> {
    return ids.length === 0 || (await this.#run(['update', '--restart=no', ...ids], signal)).code === 0;
  }
}
