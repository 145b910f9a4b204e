import type { Credential } from '../model/credential.ts';
import { Exit, Failure } from '../model/failure.ts';
import type { RestartChoice, ServiceLayout } from '../model/layout.ts';
import { type Container, identityOf } from '../service/container.ts';
import type { ServiceDriver } from '../service/driver.ts';
import type { Draft, DraftedService, Drafter } from './draft.ts';
import { addressOf, type GateRequest, provable } from './question.ts';
import { deployedCredential } from './recovery.ts';
import { askForGuard } from './reload.ts';
import { RESTART_GRACE_MS, Turns } from './renew.ts';
import { planRestart } from './restart-choice.ts';
import type { RolloutJob } from './rollout.ts';
import { driverOf } from './service-driver.ts';
import type { World } from './world.ts';

interface Request extends GateRequest {
  restart: RestartChoice;
  variables: readonly string[];
}

/** Throws a Failure (exit 2) where a restart is asked for by name and the layout says of none how. */
function requireDriver(service: ServiceLayout, choice: RestartChoice): void {
  if (service.restart.driver !== 'none' || (choice !== 'recreate' && choice !== 'restart')) return;
  throw new Failure({
    code: 'restart-unknown',
    exit: Exit.usage,
    message: `service "${service.name}": nothing says how to ${choice} it`,
    remedy:
      'add "restart" to the service in comfyui-auth.yml: driver compose with its file, or driver command',
  });
}

/** The credential that stands after the plan; the password only where the bearer is its hash. */
async function nextCredential(
  { service, resolution }: DraftedService,
  drafter: Drafter,
  world: World,
): Promise<Credential | undefined> {
  const bearer = await drafter.bearer(service, resolution);
  if (bearer === undefined) return undefined;
  const { username, password } = resolution;
  return provable({ username, bearer, ...(password !== undefined && { password }) }, world);
}

const bearersOf = (credential: Credential | undefined) =>
  credential === undefined ? [] : [credential.bearer];

/** The credential before the plan: the comparing that it takes is done once, and only where it is needed. */
function previousOf({ service, observations }: DraftedService, world: World) {
  let asked: Promise<Credential | undefined> | undefined;
  return () => {
    asked ??= deployedCredential(service, observations, world);
    return asked;
  };
}

/** The containers of a service; where that need not be certain, why an engine that cannot be asked shows none. */
async function containersOf(
  driver: ServiceDriver,
  strict: boolean,
  signal?: AbortSignal,
): Promise<{ containers: Container[]; unseen?: Failure }> {
  try {
    return { containers: await driver.containers(signal) };
  } catch (error) {
    if (strict || !(error instanceof Failure)) throw error;
    return { containers: [], unseen: error };
  }
}

/**
 * What is to be done for each service of a draft. `strict` asks the engine, and throws a Failure (exit 3) where it
 * cannot be asked; else it is asked only for what would change, and need not answer.
 */
export async function jobsOf(
  draft: Draft,
  drafter: Drafter,
  request: Request,
  world: World,
  { strict }: { strict: boolean },
): Promise<RolloutJob[]> {
  const turns = new Turns();
  const jobs: RolloutJob[] = [];
  for (const drafted of draft.services) {
    const { service } = drafted;
    requireDriver(service, request.restart);
    addressOf(service, request);
    const files = draft.plan.services.find((one) => one.name === service.name)?.files ?? [];
    const driver = driverOf(
      service,
      drafter.layout.root,
      world,
      request.timeoutMs + RESTART_GRACE_MS,
      request.variables,
      request.timeoutMs,
    );
    const look = strict || files.some((one) => one.action !== 'none');
    const { containers, unseen } = look
      ? await containersOf(driver, strict, request.signal)
      : { containers: [] };
    const identity = identityOf(containers);
    const { restart: choice, signal } = request;
    const previous = previousOf(drafted, world);
    const next = await nextCredential(drafted, drafter, world);
    const bearers = async () => [...bearersOf(await previous()), ...bearersOf(next)];
    // What is not deployed yet is shown to nobody.
    const guard = async () => askForGuard({ service, signal }, (await previous())?.bearer, request, world);
    const seen = unseen === undefined;
    jobs.push({
      service,
      driver,
      turns,
      signal,
      unseen,
      ...(await planRestart({ service, files, containers, seen, choice, guard })),
      bearers,
      wasRunning: driver.name !== 'compose' || identity !== undefined,
      identity,
      next,
      previous,
    });
  }
  return jobs;
}
