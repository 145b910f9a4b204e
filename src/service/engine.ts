import { Exit, Failure } from '../model/failure.ts';
import type { Clock } from '../platform/clock.ts';
import type { Bounds } from './bounded.ts';
import type { DockerCommand } from './docker-command.ts';

/** Why no Docker Engine answers. */
export type EngineReason = 'docker-missing' | 'docker-unusable' | 'permission' | 'no-answer' | 'timeout';

export type EngineState = { ok: true; version: string } | { ok: false; reason: EngineReason };

const WORDS: Readonly<Record<EngineReason, { why: string; remedy: string }>> = {
  'docker-missing': {
    why: 'docker is not on PATH',
    remedy: 'install the docker command, or put its folder on PATH',
  },
  'docker-unusable': {
    why: 'the docker command cannot be run',
    remedy: 'docker version   # says why',
  },
  permission: {
    why: 'this user may not speak to it',
    remedy: 'run this as root, or as a member of the group docker',
  },
  'no-answer': {
    why: 'nothing answers where docker looks for it',
    remedy: 'docker version   # starts to answer when the engine runs',
  },
  timeout: {
    why: 'it does not answer in time',
    remedy: 'docker version   # starts to answer when the engine runs',
  },
};

/** So long an engine counts as one that hangs: who waited for one question in vain need not wait for the next. */
const MEMORY_MS = 5_000;

async function ask(docker: DockerCommand, bounds?: Bounds): Promise<EngineState> {
  const asked = ['version', '--format', '{{.Server.Version}}'];
  const { code, stdout, stderr, failure } = await docker.run(asked, bounds);
  if (code === 0) return { ok: true, version: stdout.trim() };
  if (failure === 'timeout') return { ok: false, reason: 'timeout' };
  if (code === null && failure !== undefined && /^E[A-Z]+$/.test(failure)) {
    // Anything else is of this machine: no memory, no descriptor left, a file that may not be run.
    return { ok: false, reason: failure === 'ENOENT' ? 'docker-missing' : 'docker-unusable' };
  }
  return { ok: false, reason: /permission denied/i.test(stderr) ? 'permission' : 'no-answer' };
}

/** What came of asking the engine, for all services of a command: each has an environment of its own, all one engine. */
export class EngineMemory {
  readonly #clock: Clock;
  #hungAt = Number.NEGATIVE_INFINITY;
  /** Of an engine that answered when it was last asked. */
  version: string | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether it has just hung. */
  get hangs(): boolean {
    return this.#clock.monotonicMs() - this.#hungAt < MEMORY_MS;
  }

  keep(state: EngineState): void {
    this.version = state.ok ? state.version : undefined;
    if (!state.ok && state.reason === 'timeout') this.#hungAt = this.#clock.monotonicMs();
  }

  /** Lets the next question be asked, whatever came of the last one. */
  forget(): void {
    this.#hungAt = Number.NEGATIVE_INFINITY;
  }
}

/** The Docker Engine, as far as whether it answers. */
export class Engine {
  readonly #docker: DockerCommand;
  readonly memory: EngineMemory;

  constructor(docker: DockerCommand, memory: EngineMemory) {
    this.#docker = docker;
    this.memory = memory;
  }

  /** Whether it answers, and if not, why. One that has just hung is not asked. Rejects only where the signal is aborted. */
  async state(bounds?: Bounds): Promise<EngineState> {
    if (this.memory.hangs) return { ok: false, reason: 'timeout' };
    const state = await ask(this.#docker, bounds);
    this.memory.keep(state);
    return state;
  }

  /** Its version; one that has answered once is not asked again. Throws a Failure `engine-unreachable`. */
  async version(bounds?: Bounds): Promise<string> {
    if (this.memory.version !== undefined) return this.memory.version;
    const state = await this.state(bounds);
    if (!state.ok) throw engineUnreachable(state.reason);
    return state.version;
  }
}

/** The failure that a missing engine is for everything that needs one. */
export function engineUnreachable(reason: EngineReason): Failure {
  const { why, remedy } = WORDS[reason];
  const message = `no Docker Engine answers: ${why}`;
  return new Failure({ code: 'engine-unreachable', exit: Exit.unknown, message, remedy });
}
