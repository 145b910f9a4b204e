import type { Credential } from '../model/credential.ts';
import { Exit, Failure } from '../model/failure.ts';
import type { Clock } from '../platform/clock.ts';
import type { ProbeReport, ProbeStatus } from './check.ts';

/** What every way of asking needs to know. */
export interface ProbeTarget {
  /** Base address of ComfyUI, e.g. `http://127.0.0.1:8188`; without user, password, query. */
  url: string;
  /** Sent as `Origin` with every request: only where ComfyUI runs with a fixed `--enable-cors-header`. */
  origin?: string;
  credential: Credential;
  /** Where guests were asked for: a login page that offers guest mode is then no fault. */
  guestModeAllowed?: boolean;
  signal?: AbortSignal;
  clock: Clock;
}

export interface GateProgress {
  elapsedMs: number;
  /** What the last round found; `proved` means that this round was good. */
  state: ProbeStatus;
  /** Good rounds in a row so far. */
  round: number;
}

export interface GateOptions extends ProbeTarget {
  /** Good rounds in a row that make the proof. */
  rounds: number;
  /** The deadline for everything. */
  timeoutMs: number;
  /** The longest pause between two tries while nothing useful answers; 500 ms where absent. */
  maxPauseMs?: number;
  /**
   * Id of the process or container that answers. A change starts the rounds anew;
   * undefined says that it is gone, and ends the gate at once.
   */
  identity?: () => string | undefined;
  onProgress?: (progress: GateProgress) => void;
}

/**
 * Asks until the server is proven, is found open, refuses the credential twice, or the deadline passes.
 * Rejects with the signal's reason where it is aborted, and with a `Failure` where the url is unusable.
 */
export async function prove(options: GateOptions): Promise<ProbeReport> {
  throw notYet(options);
}

/** The cheap part of a round (no credential, empty token, wrong bearer, bearer), once: for health checks. */
export async function checkOnce(target: ProbeTarget): Promise<ProbeReport> {
  throw notYet(target);
}

const notYet = (target: ProbeTarget) =>
  new Failure({ code: 'internal', exit: Exit.unknown, message: `no probe of ${target.url}`, remedy: '' });
