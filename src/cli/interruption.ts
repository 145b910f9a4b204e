/** Aborts where the user, or the system, ends the program: a command then leaves everything consistent by itself. */
export function interruption(
  reasonOf: (signal: string) => Error = (signal) => new Error(signal),
): AbortSignal {
  const ending = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => ending.abort(reasonOf(signal)));
  }
  return ending.signal;
}
