import { Exit, type ExitCode, worstExit } from '../model/failure.ts';
import type { Finding } from '../model/finding.ts';
import type { Check, ProbeStatus } from '../probe/check.ts';
import { answeredFindings, type GuardView, guardView, lookForGuard } from './live-guard.ts';
import { ask, type GateRequest, type Question, questionFor } from './question.ts';
import { outerSource } from './sources.ts';
import { chosenServices, findLayout, requireOneService } from './target.ts';
import type { HandedIn, Target, World } from './world.ts';

export interface ProbeRequest extends Target, GateRequest {
  handedIn?: HandedIn;
}

/** What one server answered (contract.md, JSON, `probe`). */
export interface ProbedService {
  name: string;
  url: string;
  status: ProbeStatus;
  checks: Check[];
  readyAfterMs?: number;
  guard: GuardView;
}

export interface ProbeResult {
  command: 'probe';
  status: ProbeStatus;
  exitCode: ExitCode;
  root: string;
  layout?: string;
  services: ProbedService[];
  findings: Finding[];
}

/** What the question for the guard may take where the server has taken all the time there was. */
const GUARD_MS = 50;

const EXIT_OF: Record<ProbeStatus, ExitCode> = {
  proved: Exit.ok,
  refused: Exit.findings,
  open: Exit.open,
  'not-ready': Exit.unknown,
  down: Exit.unknown,
  unknown: Exit.unknown,
};

/** The status that stands for several services: the one that matters most. */
const STATUS_ORDER: readonly ProbeStatus[] = ['open', 'refused', 'down', 'not-ready', 'unknown', 'proved'];

/** Asks the running servers: refused without a credential, accepted with it. Writes nothing. */
export async function probe(request: ProbeRequest, world: World): Promise<ProbeResult> {
  const start = world.clock.monotonicMs();
  const layout = findLayout(request, world);
  const chosen = chosenServices(layout, request);
  const outer = outerSource(request.handedIn, world);
  if (outer !== undefined) requireOneService(layout, chosen, request, outer.origin);
  if (request.url !== undefined) requireOneService(layout, chosen, request, '--url');
  // All that can be wrong on this side comes first: a failure must not take with it what a server has answered.
  const questions: Question[] = [];
  for (const service of chosen) questions.push(await questionFor(service, request, world));
  // Comparing password and bearer takes time that the user has given for the whole.
  const timeoutMs = Math.max(1, request.timeoutMs - (world.clock.monotonicMs() - start));
  const services: ProbedService[] = [];
  const findings: Finding[] = [];
  const exits: ExitCode[] = [];
  for (const question of questions) {
    const { service, url, credential } = question;
    const asked = world.clock.monotonicMs();
    const report = await ask(question, { ...request, timeoutMs }, world);
    const leftMs = Math.max(GUARD_MS, timeoutMs - (world.clock.monotonicMs() - asked));
    const { status, checks, readyAfterMs } = report;
    const bounds = { ...request, timeoutMs: leftMs };
    const guard = await lookForGuard(service, url, credential?.bearer, report, bounds, world);
    exits.push(EXIT_OF[status]);
    if (credential === undefined) exits.push(Exit.usage);
    services.push({
      name: service.name,
      url,
      status,
      checks,
      ...(readyAfterMs !== undefined && { readyAfterMs }),
      guard: guardView(guard),
    });
    findings.push(...answeredFindings(service, url, report.findings, guard));
  }
  const statuses = services.map((one) => one.status);
  return {
    command: 'probe',
    status: STATUS_ORDER.find((status) => statuses.includes(status)) ?? 'unknown',
    exitCode: worstExit(exits),
    root: layout.root,
    ...(layout.file !== undefined && { layout: layout.file }),
    services,
    findings,
  };
}
