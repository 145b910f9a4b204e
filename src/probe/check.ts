import type { FindingArgs, FindingCode } from '../model/finding.ts';

/** The requests of a round, in the order in which they are made (reliability.md §3; `suffix` is container.md F10). */
export const CHECK_IDS = [
  'anonymous',
  'empty-token',
  'wrong-bearer',
  'bearer',
  'login-page',
  'suffix',
  'password',
  'wrong-password',
] as const;
export type CheckId = (typeof CHECK_IDS)[number];

export type CheckVerdict = 'pass' | 'fail' | 'skip' | 'unknown';

/** One request and what its answer means. */
export interface Check {
  id: CheckId;
  verdict: CheckVerdict;
  httpStatus?: number;
  ms: number;
  /** A code such as `ECONNREFUSED` or `timeout`; no prose, no secret. */
  detail?: string;
}

/** What is known of a server (contract.md, JSON, `probe`). */
export type ProbeStatus = 'proved' | 'open' | 'refused' | 'not-ready' | 'down' | 'unknown';

/** A finding before a face adds the service and the place. */
export interface ProbeFinding {
  code: FindingCode;
  args: FindingArgs;
}

export interface ProbeReport {
  status: ProbeStatus;
  /** The checks of the round that decided; those that were not reached are `skip`. */
  checks: Check[];
  findings: ProbeFinding[];
  /** Keeps out who has no credential, as far as is known: none was there to be accepted. */
  closed?: true;
  /** From the start of the gate to the proof; absent where there is none. */
  readyAfterMs?: number;
}
