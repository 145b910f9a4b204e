import { Exit, Failure } from '../model/failure.ts';
import { type ComposeDeps, ComposeProgram, type ComposeService } from './compose-program.ts';
import { endContainers } from './compose-stop.ts';
import { type Container, isAlive } from './container.ts';
import { Docker } from './docker.ts';
import { NotBegun, type Restart, type ServiceDriver } from './driver.ts';
import { howItEnded } from './said.ts';

/** The first Docker Engine on which Compose v1 fails with `KeyError: 'ContainerConfig'`. */
const FIRST_WITHOUT_V1 = 26;

const idsOf = (containers: readonly Container[]) => containers.map(({ id }) => id);

/** Names one start of a container; undefined where it was never started. */
const startOf = ({ id, startedAt }: Container) => startedAt && `${id} ${startedAt.toISOString()}`;

/**
 * What a Compose that was cut off leaves: the new container, never started, beside the old one. It would refuse to make
 * another of that name, or start both.
 */
const leftoversAmong = (containers: readonly Container[]) => {
  const unborn = containers.filter((one) => one.status === 'created' && one.startedAt === undefined);
  // Alone it may be the only one that still holds the volumes of the old one.
  return unborn.length < containers.length ? unborn : [];
};

/** Whether no process of before runs any more, and one was started since; a recreated service is no old container. */
function isFresh(before: readonly Container[], after: readonly Container[], recreated: boolean): boolean {
  const olds = new Set(idsOf(before));
  const starts = new Set(before.map(startOf));
  const isOld = (one: Container) => (recreated ? olds.has(one.id) : starts.has(startOf(one)));
  const started = after.filter((one) => one.startedAt !== undefined);
  return started.some((one) => !isOld(one)) && !after.some((one) => isAlive(one) && isOld(one));
}

/** A service that Compose runs. */
export class ComposeDriver implements ServiceDriver {
  readonly name = 'compose';
  readonly #target: ComposeService;
  readonly #deps: ComposeDeps;
  readonly #compose: ComposeProgram;
  readonly #docker: Docker;
  /** The containers as they were last listed: while all are there and one runs, the engine alone need be asked. */
  #ids: string[] = [];
  /** Every container that was ever listed: one that Compose lists no longer need not have ended. */
  readonly #known = new Set<string>();
  /** Whether nothing was begun since they were listed. */
  #isWhole = false;

  constructor(target: ComposeService, deps: ComposeDeps) {
    this.#target = target;
    this.#deps = deps;
    this.#compose = new ComposeProgram(target, deps);
    this.#docker = new Docker(deps.docker, deps.engine);
  }

  async containers(signal?: AbortSignal): Promise<Container[]> {
    const known = await this.#inspect(this.#ids, signal);
    const isWhole = known.length > 0 && known.length === this.#ids.length;
    return isWhole && known.some(isAlive) ? known : this.#lookAnew(signal);
  }

  async restart(action: Restart, signal?: AbortSignal): Promise<void> {
    // It may be the way back: that is worth the wait.
    this.#deps.engine.memory.forget();
    try {
      await this.#restart(action, signal);
    } catch (error) {
      // What cannot be found out while restarting is a restart that failed.
      if (!(error instanceof Failure) || error.exit === Exit.rolledBack) throw error;
      throw this.#failure('restart-failed', error.message, error.remedy, error);
    }
  }

  stop(cut?: AbortSignal): Promise<boolean> {
    const [compose, docker, known, isWhole] = [this.#compose, this.#docker, this.#known, this.#isWhole];
    const ending = { compose, docker, service: this.#target.service, known, isWhole };
    return endContainers(ending, this.#deps.timeoutMs, cut);
  }

  async #lookAnew(signal?: AbortSignal): Promise<Container[]> {
    // An engine that hangs would let every other question wait in vain.
    await this.#deps.engine.version({ signal });
    const found = await this.#inspect(await this.#compose.ids({ signal }), signal);
    this.#ids = idsOf(found);
    for (const id of this.#ids) this.#known.add(id);
    this.#isWhole = true;
    return found;
  }

  #inspect(ids: readonly string[], signal?: AbortSignal): Promise<Container[]> {
    return this.#docker.inspect(ids, this.#target.service, { signal });
  }

  async #restart(action: Restart, signal?: AbortSignal): Promise<void> {
    const before = await this.#lookAnew(signal);
    const { service } = this.#target;
    // `restart` makes no container, and would leave a stopped one as it was made long ago.
    const recreate = action === 'recreate' || !before.some(isAlive);
    if (recreate && before.length > 0) await this.#requireRecreation(signal);
    await this.#docker.remove(idsOf(leftoversAmong(before)), { signal });
    const args = recreate ? ['up', '-d', '--force-recreate', '--no-color', service] : ['restart', service];
    this.#ids = [];
    this.#isWhole = false;
    const ran = await this.#compose.run(args, { signal });
    const doing = `Compose was to ${recreate ? 'recreate' : 'restart'} ${service}`;
    const remedy = this.#compose.line('up', '-d', '--force-recreate', service);
    if (ran.code !== 0) {
      const ending = howItEnded(ran, this.#deps.timeoutMs, this.#compose.discretion);
      throw this.#failure('restart-failed', `${doing}, and ${ending}`, remedy);
    }
    if (isFresh(before, await this.#lookAnew(signal), recreate)) return;
    const message = `${doing} and reported success, but no new process runs in place of the old one`;
    throw this.#failure('restart-ineffective', message, remedy);
  }

  /** Compose v1 would stop the old container, and then break down over what such an engine says of its image. */
  async #requireRecreation(signal?: AbortSignal): Promise<void> {
    if (!(await this.#compose.isEarly({ signal }))) return;
    const version = await this.#deps.engine.version({ signal });
    if (!(Number.parseInt(version, 10) >= FIRST_WITHOUT_V1)) return;
    throw new NotBegun({
      code: 'restart-failed',
      exit: Exit.rolledBack,
      message: `docker-compose 1.x cannot recreate a container on Docker Engine ${FIRST_WITHOUT_V1} and later; nothing was done to ${this.#target.service}`,
      remedy: 'install the Compose plugin of docker ("docker compose")',
      location: { path: this.#target.file },
    });
  }

  #failure(code: string, message: string, remedy: string, cause?: Failure): Failure {
    const location = { path: this.#target.file };
    return new Failure({ code, exit: Exit.rolledBack, message, remedy, location, cause });
  }
}
