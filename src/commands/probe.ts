import type { Credential } from '../model/credential.ts';
import { Exit, type ExitCode, worstExit } from '../model/failure.ts';
import { type Finding, finding } from '../model/finding.ts';
import type { ServiceLayout } from '../model/layout.ts';
import { assertOrigin, readAddress } from '../probe/address.ts';
import type { Check, ProbeFinding, ProbeReport, ProbeStatus } from '../probe/check.ts';
import { checkRefusals, prove } from '../probe/gate.ts';
import { FileSnapshot, observe } from './gather.ts';
import { resolveCredential } from './resolve.ts';
import { outerSource, secretKey } from './sources.ts';
import { chosenServices, findLayout, requireOneService } from './target.ts';
import type { HandedIn, Target, World } from './world.ts';

export interface ProbeRequest extends Target {
  handedIn?: HandedIn;
  /** `--url`: asks there instead of at the layout's address. */
  url?: string;
  timeoutMs: number;
  rounds: number;
  signal?: AbortSignal;
}

/** What one server answered (contract.md, JSON, `probe`). */
export interface ProbedService {
  name: string;
  url: string;
  status: ProbeStatus;
  checks: Check[];
  readyAfterMs?: number;
}

export interface ProbeResult {
  command: 'probe';
  status: ProbeStatus;
  exitCode: ExitCode;
  root: string;
  services: ProbedService[];
  findings: Finding[];
}

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

/** One server to ask, and what to ask it with; no credential where the files hold none that fits. */
interface Question {
  service: ServiceLayout;
  url: string;
  credential?: Credential;
}

/** What there is to ask one service. Throws a Failure where the source or the address cannot be used. */
async function questionFor(service: ServiceLayout, request: ProbeRequest, world: World): Promise<Question> {
  const { key } = secretKey(request.handedIn, world);
  const outer = outerSource(request.handedIn, world);
  const observations = observe(service, new FileSnapshot());
  const resolution = await resolveCredential({ service, observations, outer, key, world });
  const { bearer, password, username } = resolution;
  const url = request.url ?? service.url;
  readAddress(url);
  assertOrigin(service.origin);
  if (bearer === undefined) return { service, url };
  // A password that does not fit the bearer would only be refused by the form: the files are at fault, not the server.
  const usable = resolution.pair === 'verified' ? password : undefined;
  return {
    service,
    url,
    credential: { username, bearer, ...(usable !== undefined && { password: usable }) },
  };
}

/** Asks one server for its proof; without a credential only whether it lets in who has none. */
async function ask(question: Question, request: ProbeRequest, world: World): Promise<ProbeReport> {
  const { service, url, credential } = question;
  const target = {
    url,
    clock: world.clock,
    ...(service.origin !== undefined && { origin: service.origin }),
    ...(request.signal !== undefined && { signal: request.signal }),
  };
  if (credential === undefined) {
    const report = await checkRefusals(target);
    const lacking: ProbeFinding = { code: 'credential-unknown', args: {} };
    return { ...report, findings: [...report.findings, lacking] };
  }
  let said = '';
  return prove({
    ...target,
    credential,
    rounds: request.rounds,
    timeoutMs: request.timeoutMs,
    onProgress({ elapsedMs, state, round }) {
      // One line when something changes; what repeats is no news.
      const line = state === 'proved' ? `round ${round} of ${request.rounds} good` : state;
      if (line !== said) world.progress(`${service.name}: ${line} (${(elapsedMs / 1000).toFixed(1)} s)`);
      said = line;
    },
  });
}

/** Asks the running servers: refused without a credential, accepted with it. Writes nothing. */
export async function probe(request: ProbeRequest, world: World): Promise<ProbeResult> {
  const layout = findLayout(request, world);
  const chosen = chosenServices(layout, request);
  const outer = outerSource(request.handedIn, world);
  if (outer !== undefined) requireOneService(layout, chosen, request, outer.origin);
  if (request.url !== undefined) requireOneService(layout, chosen, request, '--url');
  // All that can be wrong on this side comes first: a failure must not take with it what a server has answered.
  const questions: Question[] = [];
  for (const service of chosen) questions.push(await questionFor(service, request, world));
  const services: ProbedService[] = [];
  const findings: Finding[] = [];
  const exits: ExitCode[] = [];
  for (const question of questions) {
    const { service, url } = question;
    const report = await ask(question, request, world);
    const { status, checks, readyAfterMs } = report;
    exits.push(EXIT_OF[status]);
    if (question.credential === undefined) exits.push(Exit.usage);
    services.push({
      name: service.name,
      url,
      status,
      checks,
      ...(readyAfterMs !== undefined && { readyAfterMs }),
    });
    for (const { code, args } of report.findings) {
      findings.push(finding(code, { service: service.name, location: { path: url, kind: 'server' }, args }));
    }
  }
  const statuses = services.map((one) => one.status);
  return {
    command: 'probe',
    status: STATUS_ORDER.find((status) => statuses.includes(status)) ?? 'unknown',
    exitCode: worstExit(exits),
    root: layout.root,
    services,
    findings,
  };
}
