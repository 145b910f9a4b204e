import type { Finding } from '../model/finding.ts';
import type { ServiceLayout } from '../model/layout.ts';
import { Secret } from '../model/secret.ts';
import type { Check, ProbeFinding, ProbeStatus } from '../probe/check.ts';
import { askGuard, type GuardReport } from '../probe/guard.ts';
import { serverFinding } from './server-finding.ts';
import type { World } from './world.ts';

/** The guard answers at once, unless ComfyUI is at work. */
const TRY_MS = 5_000;

/** What a command says of the guard (contract.md, JSON): null where that is not known. */
export type GuardView =
  | { present: true; version: string; reload: boolean; closed?: string }
  | { present: false }
  | null;

/** What a round of requests has said of a server. */
interface Answered {
  status: ProbeStatus;
  checks: Iterable<Check>;
}

/** Whether a server is one to ask, and to show the bearer to: it keeps out who has none, or is closed for now. */
export function isWorthAsking({ status, checks }: Answered): boolean {
  if (status === 'open' || status === 'down') return false;
  const isKept = ({ id, verdict }: Check) => id === 'anonymous' && verdict === 'pass';
  return [...checks].some((one) => one.httpStatus === 503 || (status !== 'not-ready' && isKept(one)));
}

/** Asks a server that has answered whether the guard runs in it. Rejects where the signal is aborted. */
export async function lookForGuard(
  { origin }: ServiceLayout,
  url: string,
  bearer: Secret | undefined,
  answered: Answered,
  { timeoutMs, signal }: { timeoutMs: number; signal?: AbortSignal },
  world: World,
): Promise<GuardReport> {
  if (!isWorthAsking(answered)) return { guard: 'unknown' };
  return askGuard({
    url,
    bearer: bearer ?? new Secret(''),
    clock: world.clock,
    tryMs: Math.min(TRY_MS, timeoutMs),
    ...(origin !== undefined && { origin }),
    ...(signal !== undefined && { signal }),
  });
}

/** The guard as JSON names it. */
export function guardView(report: GuardReport): GuardView {
  if (report.guard === 'unknown') return null;
  if (report.guard === 'absent') return { present: false };
  const { version, reload, closed } = report;
  return { present: true, version, reload, ...(closed !== undefined && { closed }) };
}

/** What was found at a server, with what the guard tells of it: why it is not ready, and what it should have closed. */
export function answeredFindings(
  service: ServiceLayout,
  url: string,
  findings: readonly ProbeFinding[],
  guard: GuardReport,
): Finding[] {
  const closed = guard.guard === 'absent' ? undefined : guard.closed;
  const told = findings.map((one) =>
    closed !== undefined && one.code === 'not-ready'
      ? { code: 'guard-closed' as const, args: { reason: closed } }
      : one,
  );
  return told.map(({ code, args }) => serverFinding(service, url, code, args, guard));
}
