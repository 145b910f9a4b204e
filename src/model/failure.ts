/** The exit codes of design.md. Where several apply, the one named first in `EXIT_PRECEDENCE` wins. */
export const Exit = {
  ok: 0,
  findings: 1,
  usage: 2,
  unknown: 3,
  open: 4,
  rolledBack: 5,
  notRestored: 6,
} as const;

export type ExitCode = (typeof Exit)[keyof typeof Exit];

const EXIT_PRECEDENCE: readonly ExitCode[] = [6, 4, 5, 2, 1, 3, 0];

/** The exit code that stands for several results together (contract.md, Exit codes). */
export function worstExit(codes: Iterable<ExitCode>): ExitCode {
  const seen = new Set(codes);
  return EXIT_PRECEDENCE.find((code) => seen.has(code)) ?? Exit.ok;
}

export interface FailureDetails {
  /** A stable word for scripts, e.g. `layout-invalid`. */
  code: string;
  exit: ExitCode;
  /** Says what failed, on which input, and why. Never contains a secret. */
  message: string;
  /** What to do now; a command where one exists. */
  remedy: string;
  location?: { path: string; line?: number; column?: number; key?: string };
  cause?: unknown;
}

/** A failure that the user can act on. A face prints it without a stack and ends with `exit`. */
export class Failure extends Error {
  readonly code: string;
  readonly exit: ExitCode;
  readonly remedy: string;
  readonly location: FailureDetails['location'];

  constructor(details: FailureDetails) {
    super(details.message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'Failure';
    this.code = details.code;
    this.exit = details.exit;
    this.remedy = details.remedy;
    this.location = details.location;
  }
}

/** Names an error that nobody foresaw by what cannot hold a secret: its kind, its code, its path. */
function unforeseen(error: unknown): Failure {
  const { name, code, syscall, path } = error as NodeJS.ErrnoException;
  const facts = [name, code, syscall, path].filter((one) => one !== undefined).join(' ');
  return new Failure({
    code: 'internal',
    exit: Exit.unknown,
    message: `an error that should not happen: ${facts}`,
    remedy: 'report it with the command that you gave, without any secret',
    cause: error,
  });
}

/** Any error as a Failure. Node's own messages can quote secrets, and are not passed on (reliability.md §1.6). */
export function asFailure(error: unknown): Failure {
  return error instanceof Failure ? error : unforeseen(error);
}
