import { Exit, Failure } from '../model/failure.ts';

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

/** A failure as lines for stderr. */
export function failureText(failure: Failure): string[] {
  return [`error: ${failure.message}`, `  → ${failure.remedy}`];
}
