import type { Credential } from '../model/credential.ts';
import { Secret } from '../model/secret.ts';
import type { ProbeStatus } from '../probe/check.ts';
import { askGuard } from '../probe/guard.ts';
import { identityOf } from '../service/container.ts';
import { addressOf, type GateRequest } from './question.ts';
import { type Job, type Outcome, proof, unasked } from './renew.ts';
import type { World } from './world.ts';

/** Whether a service runs; one whose driver has no containers counts as running. Throws a Failure (exit 3). */
async function isRunning(job: Job, signal?: AbortSignal): Promise<boolean> {
  return job.driver.name !== 'compose' || identityOf(await job.driver.containers(signal)) !== undefined;
}

/** What a guard that lets nobody in says of itself, it says at once. */
const SHUT_MS = 1_000;

/** Whether a guard says, even to whom it does not know, that it lets nobody in. Rejects where the signal is aborted. */
async function isShut({ service }: Job, request: GateRequest, world: World): Promise<boolean> {
  const { origin } = service;
  const report = await askGuard({
    url: addressOf(service, request),
    bearer: new Secret(''),
    clock: world.clock,
    tryMs: Math.min(SHUT_MS, request.timeoutMs),
    ...(origin !== undefined && { origin }),
    ...(request.signal !== undefined && { signal: request.signal }),
  });
  return report.guard !== 'absent' && report.closed !== undefined;
}

/** How a service stands that nothing has told to read its files again. */
export interface Standing extends Outcome {
  /** Whether a new process could be better: it refuses, is open, or is not there. */
  renewable: boolean;
}

/**
 * Asks a service as it stands. One that is open is ended at once. Looks for its container meanwhile: where there is none,
 * and nothing answers, there is nothing to wait for, as where a guard lets nobody in. Rejects where the signal is aborted.
 */
export async function standingOf(
  job: Job,
  credential: Credential | undefined,
  request: GateRequest,
  world: World,
): Promise<Standing> {
  const enough = new AbortController();
  const signals = [enough.signal, ...(request.signal === undefined ? [] : [request.signal])];
  const signal = AbortSignal.any(signals);
  let absent = false;
  let silent = false;
  const giveUp = () => {
    if (absent && silent) enough.abort();
  };
  const looking = isRunning(job, signal).then(
    (running) => {
      absent = !running;
      giveUp();
    },
    // An engine that cannot be asked leaves the server's own answer.
    () => undefined,
  );
  let shut = false;
  let asking: Promise<void> | undefined;
  const askGuardOnce = async () => {
    shut = await isShut(job, { ...request, signal }, world).catch(() => false);
    asking = undefined;
    if (shut) enough.abort();
  };
  const onState = (state: ProbeStatus) => {
    silent = state === 'down';
    giveUp();
    if (state === 'not-ready') asking ??= askGuardOnce();
  };
  const ask = async (bounds: GateRequest): Promise<Standing> => {
    const outcome = await proof(job, credential, bounds, world);
    const renewable = outcome.status === 'refused' || outcome.wasOpen;
    return { ...outcome, action: 'none', renewable };
  };
  try {
    return await ask({ ...request, signal, onState });
  } catch (error) {
    request.signal?.throwIfAborted();
    if (shut) return await ask({ ...request, timeoutMs: Math.min(SHUT_MS, request.timeoutMs) });
    if (!(absent && silent)) throw error;
    return { ...unasked(), status: 'down', action: 'none', renewable: true };
  } finally {
    enough.abort();
    await Promise.all([looking, asking]);
  }
}
