import { Failure } from '../model/failure.ts';
import type { RestartDriver, ServiceLayout } from '../model/layout.ts';
import { childEnv } from '../service/child-env.ts';
import { type Container, isAlive } from '../service/container.ts';
import type { EngineReason } from '../service/engine.ts';
import { InsideLook } from '../service/look-inside.ts';
import { driverOf, engineOf } from './service-driver.ts';
import type { World } from './world.ts';

/** What could be learned of a service's container. */
export type EngineView =
  /** The layout names no container to look at. */
  | { state: 'none'; driver: Exclude<RestartDriver['driver'], 'compose'> }
  | { state: 'unreachable'; reason: EngineReason }
  /** The engine answers, Compose does not say which containers the service has. */
  | { state: 'compose-missing' | 'compose-silent'; version: string }
  | { state: 'answers'; version: string; containers: Container[]; namesakes: string[] };

/** What looks into the containers of this machine. */
export function insideLook(world: World, timeoutMs: number): InsideLook {
  return new InsideLook(world.process, childEnv(world.env, []), timeoutMs);
}

/** Containers of others that are called alike: a name filter would have found them (domain.md §6). */
async function namesakesOf(service: ServiceLayout, look: InsideLook): Promise<string[]> {
  const names = await look.names();
  return names.filter((name) => name.includes(service.name));
}

/**
 * Asks the engine for the containers of a service, exactly. Throws a Failure (exit 2) where the layout's compose file
 * is not there.
 */
export async function lookAtContainers(
  service: ServiceLayout,
  root: string,
  world: World,
  timeoutMs: number,
): Promise<EngineView> {
  const { driver } = service.restart;
  if (driver !== 'compose') return { state: 'none', driver };
  const engine = await engineOf(world, timeoutMs).state();
  if (!engine.ok) return { state: 'unreachable', reason: engine.reason };
  const { version } = engine;
  try {
    const containers = await driverOf(service, root, world, timeoutMs).containers();
    const namesakes = containers.length > 0 ? [] : await namesakesOf(service, insideLook(world, timeoutMs));
    // One that runs says more than one that was left over.
    return {
      state: 'answers',
      version,
      namesakes,
      containers: containers.toSorted((a, b) => Number(isAlive(b)) - Number(isAlive(a))),
    };
  } catch (error) {
    const code = error instanceof Failure ? error.code : undefined;
    if (code === 'engine-unreachable') return { state: 'unreachable', reason: 'no-answer' };
    if (code === 'compose-missing') return { state: 'compose-missing', version };
    if (code === 'compose-failed') return { state: 'compose-silent', version };
    throw error;
  }
}

/** The container of a service that counts: one that runs, where there is one. */
export const containerOf = (engine: EngineView): Container | undefined =>
  engine.state === 'answers' ? engine.containers[0] : undefined;
