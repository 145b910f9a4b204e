import type { Owner } from '../../src/model/layout.ts';
import type { Clock } from '../../src/platform/clock.ts';
import type { Log } from '../log.ts';
import type { PythonContext, PythonFacts } from '../python.ts';
import type { TorchLock } from './lock-file.ts';
import type { TorchSettings } from './settings.ts';

/** What providing PyTorch needs of the outside world. */
export interface TorchPorts {
  settings: TorchSettings;
  /** Absent: nothing is provided. */
  lock: TorchLock | undefined;
  context: PythonContext;
  facts: PythonFacts;
  /** Whom ComfyUI's process belongs to: it must be able to read the store. */
  owner: Owner;
  clock: Clock;
  log: Log;
}

/** The same, where there is a lock. */
export interface LockedPorts extends TorchPorts {
  lock: TorchLock;
}
