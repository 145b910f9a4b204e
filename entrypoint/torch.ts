import { TORCH } from './preflight/torch-versions.ts';
import type { PythonContext } from './python.ts';
import { WITHOUT_STORE } from './torch-cache/activate.ts';
import {
  distributionsOf,
  readTorchLock,
  readTorchSettings,
  type TorchLock,
  type TorchSettings,
} from './torch-cache/index.ts';

/** What the environment says about PyTorch. */
export interface Torch {
  settings: TorchSettings;
  lock: TorchLock | undefined;
  /** What is to be asked of Python: the packages of the lock, and PyTorch's own three in any case. */
  distributions: readonly string[];
}

/** Python as it is by itself: what the cache adds to it is what is to be decided on. */
export const withoutStore = (context: PythonContext): PythonContext => ({
  ...context,
  env: { ...context.env, ...WITHOUT_STORE },
});

/** Reads settings and lock. Throws a `Refusal` (78). */
export function readTorch(env: NodeJS.ProcessEnv): Torch {
  const settings = readTorchSettings(env);
  const lock = readTorchLock(settings);
  const locked = lock === undefined ? [] : distributionsOf(lock);
  return { settings, lock, distributions: [...new Set([...TORCH, ...locked])] };
}
