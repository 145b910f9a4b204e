import { Exit, Failure } from '../model/failure.ts';
import type { Bounds } from './bounded.ts';
import type { Container } from './container.ts';
import type { DockerCommand } from './docker-command.ts';
import { type Engine, engineUnreachable } from './engine.ts';
import { containersIn } from './inspect.ts';

/** A container that is gone when it is asked for is no fault: compose removes the old one while we look. */
const GONE = /no such (?:container|object)/i;
const NO_FAULT = /no such (?:container|object)|^\s*$|^warning/i;

/** What drivers need of the `docker` command. */
export class Docker {
  readonly #docker: DockerCommand;
  readonly #engine: Engine;

  constructor(docker: DockerCommand, engine: Engine) {
    this.#docker = docker;
    this.#engine = engine;
  }

  /**
   * Those of the containers that are still there, and are the service's. Throws a Failure: `engine-unreachable`, or
   * `compose-failed` where an engine answers, and does not describe them.
   */
  async inspect(ids: readonly string[], service: string, bounds?: Bounds): Promise<Container[]> {
    const found = await this.look(ids, service, bounds);
    if (found !== undefined) return found;
    const state = await this.#engine.state(bounds);
    if (!state.ok) throw engineUnreachable(state.reason);
    throw new Failure({
      code: 'compose-failed',
      exit: Exit.unknown,
      message: `the Docker Engine answers, but docker does not describe the containers of the service ${service}`,
      remedy: `docker inspect ${ids[0]}   # says why`,
    });
  }

  /** What `inspect` gives; undefined where docker does not say it, and nobody is asked why. */
  async look(ids: readonly string[], service: string, bounds?: Bounds): Promise<Container[] | undefined> {
    if (ids.length === 0) return [];
    const ran = await this.#docker.run(['inspect', '--type', 'container', ...ids], bounds);
    const gone = GONE.test(ran.stderr) && ran.stderr.split('\n').every((line) => NO_FAULT.test(line));
    return ran.code === 0 || (ran.code !== null && gone) ? containersIn(ran.stdout, service) : undefined;
  }

  /** Ends containers at once. What has ended already is not told from what could not be ended: look afterwards. */
  async kill(ids: readonly string[], bounds?: Bounds): Promise<void> {
    if (ids.length > 0) await this.#docker.run(['kill', ...ids], bounds);
  }

  /** Removes containers that do not run. What cannot be removed is left. */
  async remove(ids: readonly string[], bounds?: Bounds): Promise<void> {
    if (ids.length > 0) await this.#docker.run(['rm', ...ids], bounds);
  }

  /** Takes the containers' restart policy away, so that a restart of the engine does not bring them back. */
  async forbidRestart(ids: readonly string[], bounds?: Bounds): Promise<boolean> {
    return (
      ids.length === 0 || (await this.#docker.run(['update', '--restart=no', ...ids], bounds)).code === 0
    );
  }
}
