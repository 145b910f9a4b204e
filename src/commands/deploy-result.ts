import { Exit, type ExitCode, worstExit } from '../model/failure.ts';
import type { Finding } from '../model/finding.ts';
import type { ServiceLayout } from '../model/layout.ts';
import type { Check } from '../probe/check.ts';
import type { RestartAction } from '../service/driver.ts';
import type { SyncedService } from './draft.ts';
import type { Recovered } from './recovery.ts';
import type { Outcome } from './renew.ts';
import { type Restored, rollbackExit } from './rollout.ts';

/** One service of a deploy (contract.md, JSON, `deploy`). */
export interface DeployedService extends SyncedService {
  url: string;
  restart: { driver: string; action: RestartAction; startedAt?: string };
  checks: Check[];
  readyAfterMs?: number;
  /** Whether it was brought back onto its old files. */
  rolledBack: boolean;
}

export interface DeployResult {
  command: 'deploy';
  status: 'deployed' | 'unchanged' | 'rolled-back' | 'stopped' | 'failed' | 'refused' | 'planned';
  exitCode: ExitCode;
  root: string;
  layout?: string;
  services: DeployedService[];
  findings: Finding[];
  backup: string | null;
  recovered?: Recovered['done'];
}

/** What is known of one service when a deploy ends. */
interface Ends {
  service: ServiceLayout | undefined;
  /** `--url`. */
  url: string | undefined;
  /** What was to be done where nothing was begun. */
  action: RestartAction | undefined;
  /** What came of the new files. */
  first?: Outcome | undefined;
  /** What came of the old ones, where it was brought back onto them. */
  back?: Outcome | undefined;
}

/** A service of a result: the files as `sync` names them, with the restart and the proof that came last. */
export function deployedService(synced: SyncedService, ends: Ends): DeployedService {
  const { service, back } = ends;
  const outcome = back ?? ends.first;
  return {
    ...synced,
    url: ends.url ?? service?.url ?? '',
    restart: {
      driver: service?.restart.driver ?? 'none',
      action: outcome?.action ?? ends.action ?? 'none',
      ...(outcome?.startedAt !== undefined && { startedAt: outcome.startedAt }),
    },
    checks: outcome?.checks ?? [],
    ...(outcome?.readyAfterMs !== undefined && { readyAfterMs: outcome.readyAfterMs }),
    rolledBack: back !== undefined,
  };
}

/** What a result says beside its services. */
export type Verdict = Pick<DeployResult, 'status' | 'exitCode' | 'findings'> & { backup?: string | null };

/** The findings of all outcomes. */
export const proofFindings = (outcomes: ReadonlyMap<unknown, Outcome>): Finding[] =>
  [...outcomes.values()].flatMap((one) => one.findings);

/** The end where files stand as they should, and a service is not proven for a reason that no restart mends. */
export function unprovenVerdict(outcomes: ReadonlyMap<unknown, Outcome>): Verdict {
  const all = [...outcomes.values()];
  const refused = all.some((one) => one.status === 'refused');
  const codes: ExitCode[] = [refused ? Exit.findings : Exit.unknown];
  if (all.some((one) => one.wasOpen)) codes.push(Exit.open);
  const stopped = all.some((one) => one.wasOpen && one.stopped === true);
  return {
    status: stopped ? 'stopped' : 'failed',
    exitCode: worstExit(codes),
    findings: proofFindings(outcomes),
  };
}

type Stages = readonly ReadonlyMap<unknown, Outcome>[];

const wasOpenIn = (stages: Stages) => stages.some((one) => [...one.values()].some((two) => two.wasOpen));

/**
 * The end where every service has given its proof. `stages`: what was found before, and what came of the restarts;
 * `stands`: the files hold what was proven, still.
 */
export function provenVerdict(
  stages: Stages,
  { backup, stands, remaining }: { backup: string | null; stands: boolean; remaining: Finding[] },
): Verdict {
  const renewed = stages.some((one) => [...one.values()].some((two) => two.action !== 'none'));
  return {
    status: renewed || backup !== null ? 'deployed' : 'unchanged',
    exitCode: worstExit([wasOpenIn(stages) ? Exit.open : Exit.ok, stands ? Exit.ok : Exit.findings]),
    findings: [...remaining, ...stages.flatMap(proofFindings)],
    backup,
  };
}

/** The end where something was not proven, and the services were brought back, with the files where those had changed. */
export function backVerdict(stages: Stages, restored: readonly Restored[], changed: boolean): Verdict {
  const asBefore = restored.every((one) => one.asBefore);
  const stopped = restored.some(
    (one) => !one.asBefore && one.findings.some((two) => two.code === 'left-stopped'),
  );
  return {
    status: stopped ? 'stopped' : asBefore && changed ? 'rolled-back' : 'failed',
    exitCode: rollbackExit(restored, wasOpenIn(stages)),
    findings: [...stages.flatMap(proofFindings), ...restored.flatMap((one) => one.findings)],
  };
}
