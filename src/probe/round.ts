import type { Clock } from '../platform/clock.ts';
import { CHECK_IDS, type Check, type CheckId, type ProbeFinding, type ProbeStatus } from './check.ts';
import type { Bound, Steps } from './steps.ts';
import type { Settled } from './verdict.ts';

/** How far a round goes: what must be refused, the cheap part, all that may be repeated, or also what is done once per gate. */
export type Depth = 'refusals' | 'cheap' | 'repeated' | 'full';

const REACH: Record<Depth, readonly CheckId[]> = {
  refusals: ['anonymous', 'empty-token', 'wrong-bearer'],
  cheap: ['anonymous', 'empty-token', 'wrong-bearer', 'bearer'],
  repeated: ['anonymous', 'empty-token', 'wrong-bearer', 'bearer', 'login-page'],
  full: CHECK_IDS,
};

/** What one round found; `status` is `proved` where every answer was good. */
export interface Round {
  status: ProbeStatus;
  checks: Check[];
  findings: ProbeFinding[];
  /** Whether another round cannot be better. */
  settled: Settled | undefined;
  retryAfterMs: number;
  /** How quickly it was known that nothing listens; undefined where something answered. */
  absentAfterMs?: number;
}

/**
 * Makes one round: the negative requests first, because a 200 with the bearer proves nothing by itself.
 * It ends at the first answer that is not good, so the form is posted only where all before it held:
 * on a server without PASSWORD that very request would set the password (reliability.md §3).
 */
export async function askRound(steps: Steps, depth: Depth, bound: Bound, clock: Clock): Promise<Round> {
  const round: Round = { status: 'proved', checks: [], findings: [], settled: undefined, retryAfterMs: 0 };
  for (const id of REACH[depth]) {
    if (round.status !== 'proved') {
      round.checks.push({ id, verdict: 'skip', ms: 0 });
      continue;
    }
    const started = clock.monotonicMs();
    const result = await steps[id](bound);
    const took = clock.monotonicMs() - started;
    const ms = Math.round(took);
    if (result === undefined) {
      round.checks.push({ id, verdict: 'skip', ms: 0 });
      continue;
    }
    const { judgement, ...status } = result;
    const { detail } = judgement;
    round.checks.push({
      id,
      verdict: judgement.verdict,
      ms,
      ...status,
      ...(detail !== undefined && { detail }),
    });
    if (judgement.finding !== undefined) round.findings.push(judgement.finding);
    round.status = judgement.means;
    round.settled = judgement.settled;
    round.retryAfterMs = judgement.retryAfterMs ?? 0;
    if (judgement.absent) round.absentAfterMs = took;
  }
  return round;
}
