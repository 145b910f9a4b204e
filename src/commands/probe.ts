import { Exit, type ExitCode, Failure, worstExit } from '../model/failure.ts';
import { type Finding, finding } from '../model/finding.ts';
import type { ServiceLayout } from '../model/layout.ts';
import type { Check, ProbeReport, ProbeStatus } from '../probe/check.ts';
import { prove } from '../probe/gate.ts';
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

async function probeService(
  service: ServiceLayout,
  request: ProbeRequest,
  world: World,
): Promise<{ url: string; report: ProbeReport }> {
  const { key } = secretKey(request.handedIn, world);
  const outer = outerSource(request.handedIn, world);
  const observations = observe(service, new FileSnapshot());
  const resolution = await resolveCredential({ service, observations, outer, key, world });
  const { bearer, password, username } = resolution;
  if (bearer === undefined) {
    throw new Failure({
      code: 'credential-unknown',
      exit: Exit.usage,
      message: `service "${service.name}": there is no bearer to ask with; the files hold none that fits`,
      remedy: 'see "comfyui-auth audit", or hand one in with --bearer-file FILE',
    });
  }
  const url = request.url ?? service.url;
  // A password that does not fit the bearer would only be refused by the form: the files are at fault, not the server.
  const usable = resolution.pair === 'verified' ? password : undefined;
  let said = '';
  const report = await prove({
    url,
    credential: { username, bearer, ...(usable !== undefined && { password: usable }) },
    rounds: request.rounds,
    timeoutMs: request.timeoutMs,
    clock: world.clock,
    ...(service.origin !== undefined && { origin: service.origin }),
    ...(request.signal !== undefined && { signal: request.signal }),
    onProgress({ elapsedMs, state, round }) {
      // One line when something changes; what repeats is no news.
      const line = state === 'proved' ? `round ${round} of ${request.rounds} good` : state;
      if (line !== said) world.progress(`${service.name}: ${line} (${(elapsedMs / 1000).toFixed(1)} s)`);
      said = line;
    },
  });
  return { url, report };
}

/** Asks the running servers: refused without a credential, accepted with it. Writes nothing. */
export async function probe(request: ProbeRequest, world: World): Promise<ProbeResult> {
  const layout = findLayout(request, world);
  const chosen = chosenServices(layout, request);
  const outer = outerSource(request.handedIn, world);
  if (outer !== undefined) requireOneService(layout, chosen, request, outer.origin);
  if (request.url !== undefined) requireOneService(layout, chosen, request, '--url');
  const services: ProbedService[] = [];
  const findings: Finding[] = [];
  for (const service of chosen) {
    const { url, report } = await probeService(service, request, world);
    const { status, checks, readyAfterMs } = report;
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
    exitCode: worstExit(statuses.map((status) => EXIT_OF[status])),
    root: layout.root,
    services,
    findings,
  };
}
