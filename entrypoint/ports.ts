import type { Writable } from 'node:stream';
import type { Owner } from '../src/model/layout.ts';
import type { Clock } from '../src/platform/clock.ts';
import type { ProcessPort } from '../src/platform/process.ts';
import type { Redactor } from '../src/platform/redact.ts';
import type { Health } from './health.ts';
import type { Log } from './log.ts';
import type { Signals } from './signals.ts';

/** The outside world of a run. */
export interface Ports {
  env: NodeJS.ProcessEnv;
  /** Who we are. */
  self: Owner;
  process: ProcessPort;
  clock: Clock;
  redactor: Redactor;
  stdout: Writable;
  stderr: Writable;
  signals: Signals;
  health: Health;
  /** Where health.json stands. */
  runFolder: string;
  log: Log;
}
