import { type Finding, type FindingArgs, type FindingCode, finding, type Place } from '../model/finding.ts';
import type { ServiceLayout } from '../model/layout.ts';
import type { CheckVerdict } from '../probe/check.ts';
import type { GuardReport } from '../probe/guard.ts';
import { type Evidence, seen } from '../report/doctor-evidence.ts';
import type { Container } from '../service/container.ts';
import type { LogSigns, Processes } from '../service/look-inside.ts';
import { FileSnapshot, type Observation, observe } from './gather.ts';
import { containerOf, type EngineView, insideLook, lookAtContainers } from './live-container.ts';
import { lookForGuard } from './live-guard.ts';
import { containerPassword, layoutPassword, type PasswordView } from './live-password.ts';
import { askServer, credentialOf, type ServerView } from './live-server.ts';
import type { Resolution } from './resolve.ts';
import { serverFinding } from './server-finding.ts';
import type { World } from './world.ts';

/** The questions of a diagnosis in causal order: what fails first is what the rest may follow from. */
export type StepId =
  | 'engine'
  | 'container'
  | 'mounts'
  | 'port'
  | 'http'
  | 'guard'
  | 'login-node'
  | 'protected'
  | 'empty-token'
  | 'suffix'
  | 'bearer'
  | 'form'
  | 'guest'
  | 'origin'
  | 'environment'
  | 'process';

/** One question, with what was seen. */
export interface Step {
  id: StepId;
  verdict: CheckVerdict;
  evidence: Evidence[];
  /** What is wrong, where something is. */
  findings: Finding[];
  /** Whether it explains a bearer that is refused: an earlier step then shows no more than its effect. */
  explainsRefusal?: true;
}

/** Everything that was found out about one service before anything is concluded from it. */
export interface Facts {
  service: ServiceLayout;
  root: string;
  url: string;
  observations: readonly Observation[];
  resolution: Resolution;
  engine: EngineView;
  /** The container that counts, where there is one. */
  container?: Container;
  server: ServerView;
  guard: GuardReport;
  processes?: Processes;
  log?: LogSigns;
  /** The PASSWORD file that the server reads. */
  password?: PasswordView;
  now: Date;
}

export const step = (id: StepId, verdict: CheckVerdict, ...evidence: Evidence[]): Step => ({
  id,
  verdict,
  evidence,
  findings: [],
});

/** A step that failed for the reason of a finding. */
export const failed = (id: StepId, found: Finding, ...evidence: Evidence[]): Step => ({
  ...step(id, 'fail', ...evidence),
  findings: [found],
});

/** A finding on the server of a service. */
export const answerFinding = (
  { service, url, guard }: Facts,
  code: FindingCode,
  args: FindingArgs = {},
): Finding => serverFinding(service, url, code, args, guard);

/** A finding on its container, or on what else is named. */
export function containerFinding(
  { service, container }: Facts,
  code: FindingCode,
  args: FindingArgs = {},
  location: Place = { path: container?.name ?? service.name, kind: 'container' },
): Finding {
  return finding(code, { service: service.name, location, args });
}

/** A step about the container of a service: `look` is called where there is one. */
export function onContainer(id: StepId, facts: Facts, look: (container: Container) => Step): Step {
  const { engine, container } = facts;
  if (engine.state === 'none') return step(id, 'skip', seen('no-driver', { driver: engine.driver }));
  if (engine.state === 'compose-silent') return step(id, 'unknown', seen('compose-silent'));
  if (engine.state !== 'answers') return step(id, 'unknown', seen('no-engine'));
  return container === undefined ? step(id, 'skip', seen('no-container')) : look(container);
}

/** Which port of which host is asked, and whether that host is this one. */
export function addressed({ url }: Facts): { host: string; port: number; here: boolean } {
  const { hostname, port, protocol } = new URL(url);
  const here = /^(?:localhost|127(?:\.\d+){3}|\[::1\]|0\.0\.0\.0)$/.test(hostname);
  return { host: hostname, port: Number(port || (protocol === 'https:' ? 443 : 80)), here };
}

/** Whether the container that runs publishes the port that is asked. */
export function publishes(facts: Facts): boolean {
  const { port, here } = addressed(facts);
  return here && (facts.container?.ports.some((one) => one.hostPort === port) ?? false);
}

/** What a server answers, and whether the guard runs in it. */
async function askOnce(
  service: ServiceLayout,
  { url, resolution }: Pick<Facts, 'url' | 'resolution'>,
  timeoutMs: number,
  world: World,
): Promise<Pick<Facts, 'server' | 'guard'>> {
  const server = await askServer(service, url, credentialOf(resolution), timeoutMs, world);
  const answered = { status: server.status, checks: server.checks.values() };
  return {
    server,
    guard: await lookForGuard(service, url, resolution.bearer, answered, { timeoutMs }, world),
  };
}

/** Looks at everything of one service. Throws a Failure (exit 2) where address, origin or compose file are unusable. */
export async function gatherFacts(
  service: ServiceLayout,
  { root, url, resolution }: Pick<Facts, 'root' | 'url' | 'resolution'>,
  timeoutMs: number,
  world: World,
): Promise<Facts> {
  const files = new FileSnapshot();
  const [engine, asked] = await Promise.all([
    lookAtContainers(service, root, world, timeoutMs),
    askOnce(service, { url, resolution }, timeoutMs, world),
  ]);
  const container = containerOf(engine);
  const { server } = asked;
  const known = { service, root, url, resolution, engine, ...asked, now: world.clock.now() };
  const observations = observe(service, files);
  if (container?.status !== 'running') {
    const password = layoutPassword(service, files);
    return {
      ...known,
      observations,
      ...(container !== undefined && { container }),
      ...(password !== undefined && { password }),
    };
  }
  const look = insideLook(world, timeoutMs);
  // What the log tells is asked for only where something is wrong that it could explain.
  const puzzling = server.status !== 'proved' && server.status !== 'refused';
  const [processes, log, password] = await Promise.all([
    look.processes(container.id, known.now),
    puzzling ? look.log(container.id) : undefined,
    containerPassword(service, container, files, look),
  ]);
  return {
    ...known,
    observations,
    container,
    password,
    ...(processes !== undefined && { processes }),
    ...(log !== undefined && { log }),
  };
}
