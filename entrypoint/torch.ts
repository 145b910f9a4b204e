import { TORCH } from './preflight/torch-versions.ts';
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

/** Reads settings and lock. Throws a `Refusal` (78). */
export function readTorch(env: NodeJS.ProcessEnv): Torch {
  const settings = readTorchSettings(env);
  const lock = readTorchLock(settings);
  const locked = lock === undefined ? [] : distributionsOf(lock);
  return { settings, lock, distributions: [...new Set([...TORCH, ...locked])] };
}
