import { statSync } from 'node:fs';
import type { Credential } from '../model/credential.ts';
import { Exit, Failure } from '../model/failure.ts';
import type { RestartChoice, ServiceLayout } from '../model/layout.ts';
import { restartActionFor } from '../service/action.ts';
import { type Container, identityOf } from '../service/container.ts';
import type { RestartAction, ServiceDriver } from '../service/driver.ts';
import type { Draft, DraftedService, Drafter } from './draft.ts';
import { addressOf, type GateRequest, provable } from './question.ts';
import { deployedCredential } from './recovery.ts';
import { RESTART_GRACE_MS, Turns } from './renew.ts';
import type { RolloutJob } from './rollout.ts';
import { driverOf } from './service-driver.ts';
import type { World } from './world.ts';

interface Request extends GateRequest {
  restart: RestartChoice;
  variables: readonly string[];
}

const mtimeOf = (path: string): Date | undefined => statSync(path, { throwIfNoEntry: false })?.mtime;

/** Env files that Compose or docker reads: a process knows them only from its container's making. */
function envFilesOf(service: ServiceLayout): string[] {
  const own = service.env === undefined ? [] : [service.env];
  const keys = service.locations.filter((one) => one.kind === 'env-key');
  return [...own, ...keys]
    .filter(({ readers }) => readers.some(({ name }) => name.startsWith('compose') || name === 'docker-run'))
    .map((one) => one.path);
}

/** How a service is made to read the files of it that change. Throws a Failure (exit 2) where the layout names no way. */
function actionFor(
  service: ServiceLayout,
  changed: readonly string[],
  containers: readonly Container[],
  choice: RestartChoice,
): RestartAction {
  const { restart } = service;
  if (choice === 'none' || changed.length === 0) return 'none';
  if (restart.driver === 'none') return 'none';
  if (choice !== 'auto') return choice;
  if (restart.driver === 'command') return 'restart';
  return restartActionFor({
    changed,
    envFiles: envFilesOf(service),
    composeFile: restart.file,
    containers,
    mtimeOf,
  });
}

/** What mends a process that is older than its files. */
function whenStale(driver: ServiceDriver, choice: RestartChoice): RestartAction {
  if (driver.name === 'none' || choice === 'none') return 'none';
  return driver.name === 'command' || choice === 'restart' ? 'restart' : 'recreate';
}

/** Throws a Failure (exit 2) where a restart is asked for by name and the layout says of none how. */
function requireDriver(service: ServiceLayout, choice: RestartChoice): void {
  if (service.restart.driver !== 'none' || choice === 'auto' || choice === 'none') return;
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
    const { service, observations } = drafted;
    requireDriver(service, request.restart);
    addressOf(service, request);
    const planned = draft.plan.services.find((one) => one.name === service.name)?.files ?? [];
    const changed = planned.filter((one) => one.action !== 'none').map((one) => one.path);
    const driver = driverOf(
      service,
      drafter.layout.root,
      world,
      request.timeoutMs + RESTART_GRACE_MS,
      request.variables,
      request.timeoutMs,
    );
    const look = strict || changed.length > 0;
    const { containers, unseen } = look
      ? await containersOf(driver, strict, request.signal)
      : { containers: [] };
    const identity = identityOf(containers);
    jobs.push({
      service,
      driver,
      turns,
      signal: request.signal,
      unseen,
      action: actionFor(service, changed, containers, request.restart),
      whenStale: whenStale(driver, request.restart),
      wasRunning: driver.name !== 'compose' || identity !== undefined,
      identity,
      next: await nextCredential(drafted, drafter, world),
      previous: () => deployedCredential(service, observations, world),
    });
  }
  return jobs;
}
