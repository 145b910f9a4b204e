import { Exit, type ExitCode, worstExit } from '../model/failure.ts';
import { type Finding, type FindingCode, reaches } from '../model/finding.ts';
import type { ServiceLayout } from '../model/layout.ts';
import type { CheckVerdict } from '../probe/check.ts';
import { evidenceText } from '../report/doctor-evidence.ts';
import { answerSteps } from './doctor-answers.ts';
import { containerSteps } from './doctor-container.ts';
import { environmentStep, processStep, withPassword } from './doctor-credential.ts';
import { type Facts, gatherFacts, type Step, type StepId } from './doctor-facts.ts';
import { FileSnapshot, observe } from './gather.ts';
import { addressOf } from './question.ts';
import { resolveCredential } from './resolve.ts';
import { outerSource, secretKey } from './sources.ts';
import { chosenServices, findLayout, requireOneService } from './target.ts';
import type { HandedIn, Target, World } from './world.ts';

export interface DoctorRequest extends Target {
  handedIn?: HandedIn;
  /** `--url`: asks there instead of at the layout's address. */
  url?: string;
  /** How long to wait for one answer, of the server or of docker. */
  timeoutMs: number;
}

/** One step as it is reported (contract.md, JSON, `doctor`). */
export interface ReportedStep {
  id: StepId;
  verdict: CheckVerdict;
  evidence: string;
}

export interface DiagnosedService {
  name: string;
  url: string;
  steps: ReportedStep[];
  /** The code of the first cause; null where nothing is wrong, or nothing could be found out. */
  cause: FindingCode | null;
}

export interface DoctorResult {
  command: 'doctor';
  status: 'healthy' | 'cause-found' | 'unknown';
  exitCode: ExitCode;
  root: string;
  /** The layout file; absent where the layout was discovered. */
  layout?: string;
  services: DiagnosedService[];
  findings: Finding[];
}

/** What keeps the engine from being asked explains a server that is not there, and no other fault. */
const OF_THE_ENGINE: readonly FindingCode[] = ['engine-unreachable', 'compose-missing'];
const ABSENCE: readonly FindingCode[] = ['down', 'not-ready'];

/** What is wrong by a step: a warning is none. */
const faultOf = ({ verdict, findings }: Step): Finding | undefined =>
  verdict === 'fail' ? findings.find((one) => reaches(one.severity, 'error')) : undefined;

/** The first step that failed, unless a later one explains why. */
function causeOf(steps: readonly Step[]): Finding | undefined {
  const faults = steps.flatMap((one) => faultOf(one) ?? []);
  const engine = faults.find((one) => OF_THE_ENGINE.includes(one.code));
  const others = faults.filter((one) => one !== engine && !ABSENCE.includes(one.code));
  const first = engine === undefined ? faults[0] : (others[0] ?? engine);
  if (first?.code !== 'bearer-refused') return first;
  const explanation = steps.find((one) => one.explainsRefusal === true);
  return explanation === undefined ? first : (faultOf(explanation) ?? first);
}

/** All questions in causal order. */
function stepsOf(facts: Facts): Step[] {
  const answers = answerSteps(facts).map((one) => withPassword(facts, one));
  return [...containerSteps(facts), ...answers, environmentStep(facts), processStep(facts)];
}

/** 4 where it is open; 1 for a cause; 3 where the engine, or a step, could not be looked at. */
function exitOf(facts: Facts, steps: readonly Step[], cause: Finding | undefined): ExitCode {
  if (facts.server.status === 'open') return Exit.open;
  if (cause !== undefined) return OF_THE_ENGINE.includes(cause.code) ? Exit.unknown : Exit.findings;
  return steps.some((one) => one.verdict === 'unknown') ? Exit.unknown : Exit.ok;
}

async function diagnose(service: ServiceLayout, root: string, request: DoctorRequest, world: World) {
  const { key } = secretKey(request.handedIn, world);
  const outer = outerSource(request.handedIn, world);
  const url = addressOf(service, { ...request, rounds: 1 });
  const observations = observe(service, new FileSnapshot());
  const resolution = await resolveCredential({ service, observations, outer, key, world });
  world.progress(`${service.name}: asking the engine and ${url}`);
  const facts = await gatherFacts(service, { root, url, resolution }, request.timeoutMs, world);
  const steps = stepsOf(facts);
  const cause = causeOf(steps);
  const reported = steps.map(({ id, verdict, evidence }) => ({
    id,
    verdict,
    evidence: evidenceText(evidence),
  }));
  return {
    exit: exitOf(facts, steps, cause),
    findings: steps.flatMap((one) => one.findings),
    diagnosed: { name: service.name, url, steps: reported, cause: cause?.code ?? null },
  };
}

function statusOf(services: readonly DiagnosedService[]): DoctorResult['status'] {
  if (services.some((one) => one.cause !== null)) return 'cause-found';
  const unknown = services.some(({ steps }) => steps.some((one) => one.verdict === 'unknown'));
  return unknown ? 'unknown' : 'healthy';
}

/** Looks at the running services in causal order, and names the first cause of what is wrong. Changes nothing. */
export async function doctor(request: DoctorRequest, world: World): Promise<DoctorResult> {
  const layout = findLayout(request, world);
  const chosen = chosenServices(layout, request);
  const outer = outerSource(request.handedIn, world);
  if (outer !== undefined) requireOneService(layout, chosen, request, outer.origin);
  if (request.url !== undefined) requireOneService(layout, chosen, request, '--url');
  const services: DiagnosedService[] = [];
  const findings: Finding[] = [];
  const exits: ExitCode[] = [];
  for (const service of chosen) {
    const one = await diagnose(service, layout.root, request, world);
    services.push(one.diagnosed);
    findings.push(...one.findings);
    exits.push(one.exit);
  }
  return {
    command: 'doctor',
    status: statusOf(services),
    exitCode: worstExit(exits),
    root: layout.root,
    ...(layout.file !== undefined && { layout: layout.file }),
    services,
    findings,
  };
}
