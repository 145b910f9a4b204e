import { Failure } from '../src/model/failure.ts';
import { errnoOf } from '../src/store/system-call.ts';

/** The exit codes of the container (container.md §3). 128+n says that the child was killed by signal n. */
export const ContainerExit = {
  stopped: 0,
  usage: 64,
  neverReady: 69,
  internal: 70,
  io: 74,
  cacheBusy: 75,
  open: 76,
  permission: 77,
  config: 78,
  notExecutable: 126,
  notFound: 127,
} as const;

export type ContainerExitCode = (typeof ContainerExit)[keyof typeof ContainerExit];

/** The exit code for a file that could not be read or written: 77 where a permission is missing, else 74. */
export const exitOfErrno = (errno: string): ContainerExitCode =>
  errno === 'EACCES' || errno === 'EPERM' ? ContainerExit.permission : ContainerExit.io;

export interface RefusalDetails {
  /** A stable word for scripts, e.g. `pair-mismatch`. */
  code: string;
  /** 78 where absent: most refusals are about configuration. */
  exit?: ContainerExitCode;
  /** Says what is wrong, on which variable or file. Never contains a secret. */
  message: string;
  /** What to do now. */
  remedy: string;
  cause?: unknown;
}

/** Why the container does not start, or does not go on: one diagnosis, one remedy, one exit code. */
export class Refusal extends Error {
  readonly code: string;
  readonly exit: ContainerExitCode;
  readonly remedy: string;

  constructor(details: RefusalDetails) {
    super(details.message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'Refusal';
    this.code = details.code;
    this.exit = details.exit ?? ContainerExit.config;
    this.remedy = details.remedy;
  }
}

/** A fault of ours says where it is, and nothing of what it was working on: Node's messages can hold secrets. */
export function asRefusal(error: unknown): Refusal {
  if (error instanceof Refusal) return error;
  if (error instanceof Failure) {
    const { code, message, remedy, cause } = error;
    const exit = code === 'write-failed' ? exitOfErrno(errnoOf(cause)) : ContainerExit.config;
    return new Refusal({ code, exit, message, remedy, cause: error });
  }
  const { name = 'Error', code = '' } = error as NodeJS.ErrnoException;
  return new Refusal({
    code: 'internal',
    exit: ContainerExit.internal,
    message: `an error of the entrypoint itself: ${name} ${code}`.trim(),
    remedy: 'report it with the lines above',
    cause: error,
  });
}
