import { Secret } from '../model/secret.ts';
import type { ProbeFinding, ProbeReport, ProbeStatus } from './check.ts';
import { askRound, type Depth, type Round } from './round.ts';
import { type ProbeTarget, type Steps, stepsFor } from './steps.ts';
import { Pace, Tally } from './tally.ts';

export type { ProbeTarget } from './steps.ts';

/** No single request takes longer than this, whatever the deadline of the gate. */
const TRY_MS = 5_000;

const LONGEST_PAUSE_MS = 500;

export interface GateProgress {
  elapsedMs: number;
  /** What the last round found; `proved` means that this round was good. */
  state: ProbeStatus;
  /** Good rounds in a row so far. */
  round: number;
}

export interface GateOptions extends ProbeTarget {
  /** Good rounds in a row that make the proof. */
  rounds: number;
  /** The deadline for everything. */
  timeoutMs: number;
  /** The longest pause between two tries while nothing useful answers; 500 ms where absent. */
  maxPauseMs?: number;
  /**
   * Id of the process or container that answers. A change starts the rounds anew; undefined says that it is gone,
   * and ends the gate at once. `sure` asks for what holds now: a proof hangs on it; else a moment old will do.
   */
  identity?: (sure: boolean) => string | undefined | Promise<string | undefined>;
  onProgress?: (progress: GateProgress) => void;
}

const reportOf = ({ status, checks, findings }: Round): ProbeReport => ({ status, checks, findings });

/** Timers count whole milliseconds: one that was set for the rest of the time can end a little before it. */
const TIMER_GRAIN_MS = 2;

/** The process or container went away: nothing more will answer for it. */
function gone(last: Round | undefined): ProbeReport {
  return {
    status: 'down',
    checks: last?.checks ?? [],
    findings: [{ code: 'down', args: { reason: 'gone' } }],
  };
}

/** What a gate says when its time is over: the last round that ended in time; never a proof. */
function overdue(last: Round | undefined): ProbeReport {
  if (last !== undefined && last.status !== 'proved') return reportOf(last);
  const finding: ProbeFinding = { code: 'not-ready', args: { reason: 'too-late' } };
  return { status: 'not-ready', checks: last?.checks ?? [], findings: [...(last?.findings ?? []), finding] };
}

/** Asks round after round: good ones in a row, one that cannot get better, or the deadline end it. */
async function gate(
  options: Omit<GateOptions, 'credential'>,
  steps: Steps,
  depthOf: (isLast: boolean) => Depth,
): Promise<ProbeReport> {
  const { clock, rounds, identity = () => 'same' } = options;
  const started = clock.monotonicMs();
  const elapsed = () => Math.round(clock.monotonicMs() - started);
  const left = () => options.timeoutMs - (clock.monotonicMs() - started);
  const bound = () => Math.max(0, Math.min(options.tryMs ?? TRY_MS, left()));
  const pace = new Pace(options.maxPauseMs ?? LONGEST_PAUSE_MS);
  const tally = new Tally();

  while (left() > 0) {
    tally.meet(await identity(tally.good === 0));
    const isLast = tally.good + 1 >= rounds;
    const round = await askRound(steps, depthOf(isLast), bound, clock);
    if (round.status === 'open') return reportOf(round);
    const who = await identity(isLast && round.status === 'proved');
    if (who === undefined) return gone(round);
    // A round that the deadline cut off says nothing of the server.
    if (left() < TIMER_GRAIN_MS && round.status !== 'proved') return overdue(tally.last ?? round);

    tally.count(round, who);
    options.onProgress?.({ elapsedMs: elapsed(), state: round.status, round: tally.good });
    if (tally.good >= rounds) return { ...reportOf(round), readyAfterMs: elapsed() };
    if (tally.isSettled) return reportOf(round);
    await clock.wait(Math.max(0, Math.min(pace.after(round), left())), options.signal);
  }
  return overdue(tally.last);
}

/**
 * Asks until the server is proven, is found open, refuses the credential twice, or the deadline passes.
 * Rejects where the signal is aborted, and with a `Failure` where url or origin are unusable.
 */
export async function prove(options: GateOptions): Promise<ProbeReport> {
  return gate(options, stepsFor(options), (isLast) => (isLast ? 'full' : 'repeated'));
}

const NOBODY = { username: '', bearer: new Secret('') };

/**
 * The same where no credential is known: asks until the server has kept out who has none, round after round. It is
 * then `closed`, and its status `unknown`, for nothing is proved.
 */
export async function proveClosed(options: Omit<GateOptions, 'credential'>): Promise<ProbeReport> {
  const steps = stepsFor({ ...options, credential: NOBODY });
  const report = await gate(options, steps, () => 'refusals');
  return report.status === 'proved' ? { ...report, status: 'unknown', closed: true } : report;
}

/** The cheap part of a round (no credential, empty token, wrong bearer, bearer), once: for health checks. */
export async function checkOnce(target: ProbeTarget): Promise<ProbeReport> {
  return reportOf(await askRound(stepsFor(target), 'cheap', () => target.tryMs ?? TRY_MS, target.clock));
}

/**
 * What can be asked of a server without its credential: whether it lets in who has none, once. A server that refuses
 * is `unknown`, for nothing is proved. Throws a `Failure` where url or origin are unusable.
 */
export async function checkRefusals(target: Omit<ProbeTarget, 'credential'>): Promise<ProbeReport> {
  const steps = stepsFor({ ...target, credential: NOBODY });
  const round = await askRound(steps, 'refusals', () => target.tryMs ?? TRY_MS, target.clock);
  return { ...reportOf(round), status: round.status === 'proved' ? 'unknown' : round.status };
}
