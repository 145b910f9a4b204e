import { Exit, type ExitCode, worstExit } from '../model/failure.ts';
import type { Finding } from '../model/finding.ts';
import type { RestartChoice, ServiceLayout } from '../model/layout.ts';
import type { Check } from '../probe/check.ts';
import type { RestartAction } from '../service/driver.ts';
import type { DraftRequest, SyncedService } from './draft.ts';
import type { GateRequest } from './question.ts';
import type { Recovered } from './recovery.ts';
import type { Outcome } from './renew.ts';
import { leftStopped, type Outcomes, type Restored, rollbackExit } from './rollout.ts';

export interface DeployRequest extends DraftRequest, GateRequest {
  dryRun: boolean;
  /** What makes the services read their files again; `auto` decides by what changed. */
  restart: RestartChoice;
}

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
  /** Whether what was written stands, and with it the new bearer. */
  stands: boolean;
}

/** A service of a result: the files as `sync` names them, with the restart and the proof that came last. */
export function deployedService(synced: SyncedService, ends: Ends): DeployedService {
  const { service, back } = ends;
  const outcome = back ?? ends.first;
  const { fingerprint, ...rest } = synced;
  return {
    ...rest,
    ...(ends.stands && fingerprint !== undefined && { fingerprint }),
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

/** What the way forth and the way back have found alike is said once. */
const distinct = (findings: readonly Finding[]) => [
  ...new Map(findings.map((one) => [JSON.stringify(one), one])).values(),
];

/** Whether what was to be ended has certainly ended: only then it may be said. */
export const areStopped = (left: readonly Finding[]): boolean =>
  left.length > 0 && left.every((one) => one.args.certain === true);

/** The end where files stand as they should, and a service is not proven for a reason that no restart mends. */
export function unprovenVerdict(outcomes: Outcomes): Verdict {
  const all = [...outcomes.values()];
  const refused = all.some((one) => one.status === 'refused');
  const codes: ExitCode[] = [refused ? Exit.findings : Exit.unknown];
  if (all.some((one) => one.wasOpen)) codes.push(Exit.open);
  const opened = [...outcomes].filter(([, one]) => one.wasOpen);
  const left = opened.map(([job, { stopped }]) => leftStopped(job, stopped === true));
  if (left.length > 0) codes.push(Exit.notRestored);
  return {
    status: areStopped(left) ? 'stopped' : 'failed',
    exitCode: worstExit(codes),
    findings: [...proofFindings(outcomes), ...left],
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
  const left = restored.flatMap((one) => one.findings).filter((one) => one.code === 'left-stopped');
  return {
    status: areStopped(left) ? 'stopped' : asBefore && changed ? 'rolled-back' : 'failed',
    exitCode: rollbackExit(restored, wasOpenIn(stages)),
    findings: distinct([...stages.flatMap(proofFindings), ...restored.flatMap((one) => one.findings)]),
  };
}

/** A result with what a recovery before it has found: what was proven since is no longer amiss, but was open. */
export function afterRecovery(result: DeployResult, recovered: Recovered): DeployResult {
  const isProven = result.status === 'deployed' || result.status === 'unchanged';
  const own = new Set(isProven ? result.services.map((one) => one.name) : []);
  const left = recovered.findings.filter(({ service = '' }) => !own.has(service));
  const opened = recovered.opened.filter((one) => !left.includes(one));
  const codes: ExitCode[] = [result.exitCode];
  if (recovered.opened.length > 0) codes.push(Exit.open);
  if (left.length > 0) codes.push(recovered.exitCode);
  return {
    ...result,
    exitCode: worstExit(codes),
    findings: [...opened, ...left, ...result.findings],
    recovered: recovered.done,
  };
}
