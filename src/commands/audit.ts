import type { ExitCode } from '../model/failure.ts';
import { Exit, worstExit } from '../model/failure.ts';
import { type Finding, finding, reaches, type Severity } from '../model/finding.ts';
import type { ServiceLayout } from '../model/layout.ts';
import { fingerprint } from '../model/secret.ts';
import { assess, type LocationRow } from './assess.ts';
import { closedFolderFindings } from './file-findings.ts';
import { FileSnapshot, observe } from './gather.ts';
import { auditLive, type LiveRow, saysUnseen } from './live-audit.ts';
import { type Resolution, resolveCredential } from './resolve.ts';
import { outerSource, secretKey } from './sources.ts';
import {
  journalFindings,
  shadowedFindings,
  staleBackupFindings,
  trackedFindings,
  workspaceFindings,
} from './surroundings.ts';
import { chosenServices, findLayout, requireOneService } from './target.ts';
import type { HandedIn, Target, World } from './world.ts';

export interface AuditRequest extends Target {
  handedIn?: HandedIn;
  failOn: Severity;
  /** `--live`: looks at the running service too; no question of it takes longer than `timeoutMs`. */
  live?: { timeoutMs: number };
}

/** What is known of one service (contract.md, JSON, `audit`). */
export interface AuditedService {
  name: string;
  fingerprint?: string;
  pair: Resolution['pair'];
  envFile?: string;
  /** The places of the layout; with `--live` the container's and the server too. */
  locations: (LocationRow | LiveRow)[];
}

export interface AuditResult {
  command: 'audit';
  status: 'clean' | 'findings' | 'unknown';
  exitCode: ExitCode;
  root: string;
  /** The layout file; absent where the layout was discovered. */
  layout?: string;
  services: AuditedService[];
  findings: Finding[];
}

/** Findings on the deployment as a whole, and on what was handed in. */
async function commonFindings(
  request: AuditRequest,
  root: string,
  services: readonly ServiceLayout[],
  world: World,
): Promise<Finding[]> {
  const findings = [
    ...(await trackedFindings(root, services, world)),
    ...workspaceFindings(services, world),
    ...journalFindings(root, world),
  ];
  const { weak } = secretKey(request.handedIn, world);
  if (weak !== undefined) findings.push(finding('secret-key-weak', { args: weak }));
  return findings;
}

/** Whether anything about the deployment could not be found out. */
function isUnknown(services: readonly AuditedService[]): boolean {
  return services.some(({ locations }) =>
    locations.some(({ state }) => state === 'unknown' || state === 'unreadable'),
  );
}

/** 4 where a server is open; what could not be looked at is 3, whatever severity a run fails on. */
function exitOf(
  findings: readonly Finding[],
  { failOn, live }: AuditRequest,
  unknown: boolean,
  open: boolean,
): ExitCode {
  const judged = live === undefined ? findings : findings.filter((one) => !saysUnseen(one));
  return worstExit([
    open ? Exit.open : Exit.ok,
    judged.some((one) => reaches(one.severity, failOn)) ? Exit.findings : Exit.ok,
    unknown ? Exit.unknown : Exit.ok,
  ]);
}

/** Reads every location, and where that was asked for the running service, and says what disagrees, and why. Writes nothing. */
export async function audit(request: AuditRequest, world: World): Promise<AuditResult> {
  const layout = findLayout(request, world);
  const chosen = chosenServices(layout, request);
  const outer = outerSource(request.handedIn, world);
  if (outer !== undefined) requireOneService(layout, chosen, request, outer.origin);
  const { key } = secretKey(request.handedIn, world);
  const files = new FileSnapshot();
  const findings = await commonFindings(request, layout.root, chosen, world);
  const services: AuditedService[] = [];
  let open = false;
  for (const service of chosen) {
    const observations = observe(service, files);
    const resolution = await resolveCredential({ service, observations, outer, key, world });
    const assessment = await assess(service, observations, resolution, world);
    findings.push(
      ...assessment.findings,
      ...closedFolderFindings(service, layout.root),
      ...shadowedFindings(service, observations, world),
      ...staleBackupFindings(service, resolution, files),
    );
    const live =
      request.live === undefined
        ? undefined
        : await auditLive(service, { root: layout.root, resolution }, request.live.timeoutMs, world);
    if (live !== undefined) findings.push(...live.findings);
    open ||= live?.open === true;
    services.push({
      name: service.name,
      ...(resolution.bearer !== undefined && { fingerprint: fingerprint(resolution.bearer) }),
      pair: resolution.pair,
      ...(service.env !== undefined && { envFile: service.env.path }),
      locations: [...assessment.rows, ...(live?.rows ?? [])],
    });
  }
  const unknown = isUnknown(services);
  return {
    command: 'audit',
    status: unknown && findings.length === 0 ? 'unknown' : findings.length === 0 ? 'clean' : 'findings',
    exitCode: exitOf(findings, request, unknown, open),
    root: layout.root,
    ...(layout.file !== undefined && { layout: layout.file }),
    services,
    findings,
  };
}
