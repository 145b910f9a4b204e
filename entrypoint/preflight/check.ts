import type { Owner } from '../../src/model/layout.ts';
import type { ComfyUiArgs } from '../comfyui-args.ts';
import type { ContainerExitCode, Refusal } from '../exit.ts';
import type { PythonContext, PythonFacts } from '../python.ts';
import type { Settings } from '../settings.ts';

/** `error`: ComfyUI certainly cannot serve, or not safely. All else warns, or is only worth knowing. */
export type Severity = 'error' | 'warning' | 'info';

/** What a check found. `unknown` is never a pass: it could not be found out. */
export interface Outcome {
  verdict: 'pass' | 'fail' | 'skip' | 'unknown';
  /** One line, without a secret. */
  message: string;
  /** What to do now, where it failed. */
  remedy?: string;
  /** The container's exit code where an `error` failed; 78 where absent. */
  exit?: ContainerExitCode;
  /** The stable word of the refusal, where it is not the check's id. */
  code?: string;
}

export interface PreflightResult extends Outcome {
  id: string;
  severity: Severity;
}

export interface PreflightCheck {
  id: string;
  severity: Severity;
  /** How long it may take, for it starts a program; 10 s where absent. What takes longer is `unknown`. */
  boundMs?: number;
  /** Looks, and changes nothing. A `Refusal` that it throws is a failure; any other error is `unknown`. */
  run(world: PreflightWorld): Outcome | Promise<Outcome>;
}

/** What a Python tells of itself, as far as a check reads it. */
export type PythonAccount = Pick<PythonFacts, 'version' | 'machine' | 'versions'>;

/** Where something may listen. */
export type Place = Pick<ComfyUiArgs, 'host' | 'port'>;

/** The free space of a file system, as `statfs` gives it. */
export interface FreeSpace {
  bsize: number;
  bavail: number;
  files: number;
  ffree: number;
}

/** All that the checks look at. */
export interface PreflightWorld {
  settings: Pick<Settings, 'comfyuiDir' | 'mode' | 'expose'>;
  /** The command line that will be started, program included. */
  argv: readonly string[];
  /** What follows from it. */
  args: ComfyUiArgs;
  /** All that must be free: where ComfyUI is to listen, and what a relay is to open. */
  listens: readonly Place[];
  /** The container's whole environment. */
  env: NodeJS.ProcessEnv;
  /** Who we are, and who ComfyUI will be. */
  self: Owner;
  owner: Owner;
  python: PythonContext;
  /** A `Refusal` where that Python could not be asked. */
  facts: PythonAccount | Refusal;
  runDir: string;
  /** Where PyTorch is kept, where that is configured. */
  cacheDir?: string;
  /** Whether the boot will provide PyTorch, so that it need not be there yet. */
  torchProvided?: boolean;
  /** Whether an entrypoint is at work here already, so that its own ComfyUI may answer at the port. */
  running?: boolean;
  /** Our own process id. */
  pid: number;
  /** `/`; below it are proc, sys, dev and usr. */
  root: string;
  statfs(path: string): Promise<FreeSpace>;
  /** Takes every known secret out of foreign text. */
  redact(text: string): string;
  signal: AbortSignal;
}

export const pass = (message: string): Outcome => ({ verdict: 'pass', message });
export const skip = (message: string): Outcome => ({ verdict: 'skip', message });
export const unknown = (message: string): Outcome => ({ verdict: 'unknown', message });
export const fail = (message: string, remedy: string, exit?: ContainerExitCode): Outcome => ({
  verdict: 'fail',
  message,
  remedy,
  ...(exit !== undefined && { exit }),
});
