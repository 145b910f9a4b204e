import type { Failure } from '../model/failure.ts';

/** A failure as lines for stderr. */
export function failureText(failure: Failure): string[] {
  return [`error: ${failure.message}`, `  → ${failure.remedy}`];
}
