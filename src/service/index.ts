import type { RestartDriver } from '../model/layout.ts';
import type { ProcessPort } from '../platform/process.ts';
import { childEnv } from './child-env.ts';
import { CommandDriver } from './command.ts';
import { ComposeDriver } from './compose.ts';
import { DockerCommand } from './docker-command.ts';
import type { ServiceDriver } from './driver.ts';
import { Engine, type EngineMemory } from './engine.ts';
import { noDriver } from './none.ts';
import type { Hide } from './said.ts';

export interface ServiceDeps {
  process: ProcessPort;
  /** The environment of this program; what would disturb is taken out for those that a driver runs. */
  env: NodeJS.ProcessEnv;
  /** The layout's folder, absolute. */
  root: string;
  /** Every key of the service's `.env`. */
  envKeys: readonly string[];
  /** Takes every secret out of what other programs say. */
  hide: Hide;
  /** One for all services of a command. */
  memory: EngineMemory;
  /** How long a restart may take. */
  timeoutMs: number;
  /** How long a question may take. */
  questionMs: number;
}

/** The driver for what the layout says of a service. */
export function driverFor(restart: RestartDriver, deps: ServiceDeps): ServiceDriver {
  const { process, root, hide, timeoutMs } = deps;
  const env = childEnv(deps.env, deps.envKeys);
  switch (restart.driver) {
    case 'compose': {
      const docker = new DockerCommand(process, env, Math.min(timeoutMs, deps.questionMs));
      const engine = new Engine(docker, deps.memory);
      return new ComposeDriver(restart, { process, env, hide, docker, engine, timeoutMs });
    }
    case 'command':
      return new CommandDriver(restart, { process, env, root, hide, timeoutMs });
    case 'none':
      return noDriver;
  }
}
