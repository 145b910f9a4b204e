import { accessSync, constants } from 'node:fs';
import { Failure } from '../../src/model/failure.ts';
import { acquireLock, type Lock, SYSTEM_PATH, waitForLock } from '../../src/store/lock.ts';
import { ContainerExit, Refusal } from '../exit.ts';
import { asUser } from './as-user.ts';
import { makeSharedFolder } from './folder.ts';
import type { TorchPorts } from './ports.ts';
import { whileTelling } from './progress.ts';
import { asPathRefusal } from './refusals.ts';

/**
 * Does the work as the only one that changes this cache, on all containers that share it. The system frees the lock
 * where we are killed. Throws a `Refusal`: 75 where another builder has not ended in time, 77 or 74 where the cache
 * cannot be written.
 */
export async function withCacheLock<T>(
  ports: TorchPorts,
  waitMs: number,
  work: () => Promise<T>,
): Promise<T> {
  const { cacheDir } = ports.settings;
  const { context, owner } = ports;
  try {
    // ComfyUI may run as another user than we do.
    makeSharedFolder(cacheDir, context.user);
    accessSync(cacheDir, constants.W_OK | constants.X_OK);
    const lock = await take(ports, waitMs);
    try {
      return await work();
    } finally {
      lock.release();
    }
  } catch (error) {
    throw asPathRefusal(error, {
      code: 'torch-cache-not-writable',
      path: cacheDir,
      what: 'TORCH_CACHE',
      owner,
    });
  }
}

async function take(ports: TorchPorts, waitMs: number): Promise<Lock> {
  const { settings, clock, log, context } = ports;
  const tell = (seconds: number) =>
    log.info('torch-wait', `another builder works on ${settings.cacheDir}, waited ${seconds} s`, { seconds });
  const cache = { path: settings.cacheDir };
  try {
    return await whileTelling(ports, tell, () =>
      waitForLock(cache, 'torch-cache', clock, {
        acquire: () =>
          asUser(context.user, () => acquireLock(cache, 'torch-cache', process.platform, SYSTEM_PATH)),
        ms: waitMs,
        onWait: () => tell(0),
        signal: context.signal,
      }),
    );
  } catch (error) {
    context.signal.throwIfAborted();
    if (!(error instanceof Failure) || error.code !== 'locked') throw error;
    throw new Refusal({
      code: 'torch-cache-busy',
      exit: ContainerExit.cacheBusy,
      message: `another builder still works on ${settings.cacheDir} (waited ${waitMs / 1000} s)`,
      remedy: 'start again when it has ended, or set TORCH_CACHE_WAIT to a longer time',
    });
  }
}
