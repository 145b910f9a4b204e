/**
 * Whether tests that need something must be skipped. In CI nothing is skipped: what is missing there is an error.
 */
export function requires(what: string, present: boolean): boolean {
  if (!present && process.env.CI !== undefined) throw new Error(`${what} is missing`);
  return !present;
}
