/** The exit codes of the container (container.md §3). 128+n says that the child was killed by signal n. */
export const ContainerExit = {
  stopped: 0,
  usage: 64,
  neverReady: 69,
  internal: 70,
  io: 74,
  open: 76,
  permission: 77,
  config: 78,
  notExecutable: 126,
  notFound: 127,
} as const;

export type ContainerExitCode = (typeof ContainerExit)[keyof typeof ContainerExit];

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
