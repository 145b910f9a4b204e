import { type FindingArgs, finding } from '../model/finding.ts';
import { type Evidence, seen } from '../report/doctor-evidence.ts';
import type { Container, PublishedPort } from '../service/container.ts';
import {
  addressed,
  answerFinding,
  containerFinding,
  type Facts,
  failed,
  onContainer,
  type Step,
  step,
} from './doctor-facts.ts';
import { elsewhere, mountedCount } from './live-mounts.ts';

/** A container that the engine has started again this often, lately, and that does not answer, ends again and again. */
const MANY_RESTARTS = 3;
const LATELY_MS = 600_000;

const EVERYWHERE = new Set(['', '0.0.0.0', '::']);

function engineStep({ service, engine }: Facts): Step {
  switch (engine.state) {
    case 'none':
      return step('engine', 'skip', seen('no-driver', { driver: engine.driver }));
    case 'unreachable': {
      const { reason } = engine;
      const found = serviceFinding(service.name, 'engine-unreachable', { reason });
      return failed('engine', found, seen('engine-silent', { reason }));
    }
    case 'compose-missing':
      return failed('engine', serviceFinding(service.name, 'compose-missing'), seen('no-compose'));
    default:
      return step('engine', 'pass', seen('engine', { version: engine.version }));
  }
}

const serviceFinding = (
  name: string,
  code: 'engine-unreachable' | 'compose-missing',
  args: FindingArgs = {},
) => finding(code, { service: name, args });

/** Whether nothing of use answers at the address. */
const isSilent = ({ server }: Facts) => server.endedAt === 'anonymous' && server.status !== 'open';

function restartsInVain(facts: Facts, { status, restarts, startedAt }: Container): boolean {
  if (status === 'restarting') return true;
  const age = facts.now.getTime() - (startedAt?.getTime() ?? 0);
  return status === 'running' && restarts >= MANY_RESTARTS && age < LATELY_MS && isSilent(facts);
}

function aboutContainer(container: Container, count: number): Evidence[] {
  const { name, status, startedAt, restarts, health, exitCode, outOfMemory } = container;
  const runs = status === 'running';
  return [
    seen('container', { name, status }),
    ...(count > 1 ? [seen('several', { count })] : []),
    ...(runs && startedAt !== undefined ? [seen('since', { at: startedAt.toISOString() })] : []),
    ...(outOfMemory ? [seen('out-of-memory')] : []),
    ...(runs || outOfMemory ? [] : [seen('exit-code', { code: exitCode })]),
    ...(restarts > 0 ? [seen('restarts', { count: restarts })] : []),
    ...(health === undefined ? [] : [seen('health', { health })]),
  ];
}

/** No container of the service: the names of others do not count. */
function missingStep(facts: Facts, namesakes: readonly string[]): Step {
  const { restart, name } = facts.service;
  const service = restart.driver === 'compose' ? restart.service : name;
  return failed(
    'container',
    containerFinding(facts, 'container-missing', { service }),
    seen('none-of-service', { service }),
    ...(namesakes.length === 0 ? [] : [seen('namesakes', { names: namesakes.join(', ') })]),
  );
}

function containerStep(facts: Facts): Step {
  const { engine } = facts;
  if (engine.state === 'answers' && engine.containers.length === 0) {
    return missingStep(facts, engine.namesakes);
  }
  return onContainer('container', facts, (container) => {
    const count = engine.state === 'answers' ? engine.containers.length : 1;
    const evidence = aboutContainer(container, count);
    const { status, exitCode, outOfMemory, restarts } = container;
    const ending = { exitCode, ...(outOfMemory && { oom: true }) };
    if (restartsInVain(facts, container)) {
      const found = containerFinding(facts, 'container-restarting', { ...ending, restarts });
      return failed('container', found, ...evidence);
    }
    if (status === 'running') return step('container', 'pass', ...evidence);
    const found = containerFinding(facts, 'container-exited', { ...ending, status });
    return failed('container', found, ...evidence);
  });
}

const mountsStep = (facts: Facts): Step =>
  onContainer('mounts', facts, (container) => {
    const { service, root } = facts;
    const other = elsewhere(container, service, root);
    if (other !== undefined) {
      const { how, source, expected } = other;
      const found = containerFinding(facts, 'mount-elsewhere', { how, source, expected });
      const code = how === 'made' ? 'made-elsewhere' : 'mounts-elsewhere';
      return failed('mounts', found, seen(code, { source, expected }));
    }
    const folder = container.workingDir;
    return step(
      'mounts',
      'pass',
      folder === undefined ? seen('checkout-unnamed') : seen('checkout', { folder }),
      seen('mounts-own', { count: mountedCount(container, service) }),
    );
  });

/** A port that is published to every network of the host. */
function exposedStep(facts: Facts, published: readonly PublishedPort[]): Step | undefined {
  const wide = published.find((one) => EVERYWHERE.has(one.hostIp));
  if (wide === undefined) return undefined;
  const args = { port: wide.hostPort, hostIp: wide.hostIp || '0.0.0.0' };
  return failed(
    'port',
    containerFinding(facts, 'port-exposed', args),
    seen('published', args),
    seen('exposed'),
  );
}

function unpublishedStep(facts: Facts, published: readonly PublishedPort[], port: number): Step {
  const ports = [...new Set(published.map((one) => one.hostPort))].join(', ') || 'none';
  const evidence = [seen('unpublished', { port }), seen('published-ports', { ports })];
  if (isSilent(facts)) {
    return failed('port', answerFinding(facts, 'down', { reason: 'unpublished', port }), ...evidence);
  }
  // Something else may stand in front: a proxy, or the network of the host itself.
  return step('port', facts.server.status === 'proved' ? 'pass' : 'unknown', ...evidence);
}

const portStep = (facts: Facts): Step =>
  onContainer('port', facts, ({ status, ports }) => {
    if (status !== 'running') return step('port', 'skip', seen('not-running'));
    const { host, port, here } = addressed(facts);
    const mine = here ? ports.filter((one) => one.hostPort === port) : ports;
    const exposed = exposedStep(facts, mine);
    if (exposed !== undefined) return exposed;
    if (!here) return step('port', 'skip', seen('not-here', { host }));
    const [first] = mine;
    if (first === undefined) return unpublishedStep(facts, ports, port);
    return step('port', 'pass', seen('published', { port, hostIp: first.hostIp }));
  });

/** From the engine to the port: whether the right container is there, and can be reached. */
export function containerSteps(facts: Facts): Step[] {
  return [engineStep(facts), containerStep(facts), mountsStep(facts), portStep(facts)];
}
