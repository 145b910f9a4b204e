import type { Credential } from '../model/credential.ts';
import type { ServiceLayout } from '../model/layout.ts';
import { assertOrigin, readAddress } from '../probe/address.ts';
import type { ProbeFinding, ProbeReport, ProbeStatus } from '../probe/check.ts';
import { type GateOptions, type GateProgress, prove, proveClosed } from '../probe/gate.ts';
import { FileSnapshot, observe } from './gather.ts';
import { resolveCredential } from './resolve.ts';
import { outerSource, secretKey } from './sources.ts';
import type { HandedIn, World } from './world.ts';

/** How long and how often to ask; what every command with a gate takes. */
export interface GateRequest {
  /** `--url`: asks there instead of at the layout's address. */
  url?: string;
  timeoutMs: number;
  rounds: number;
  signal?: AbortSignal;
  /** Hears what each round has found. */
  onState?(state: ProbeStatus): void;
}

/** One server to ask, and what to ask it with; no credential where the files hold none that fits. */
export interface Question {
  service: ServiceLayout;
  url: string;
  credential?: Credential;
}

/** A credential to ask with: the password only where the bearer is its hash, for the form would refuse it else. */
export async function provable(parts: Credential, world: World): Promise<Credential> {
  const { username, bearer, password } = parts;
  const fits = password !== undefined && (await world.bcrypt.verify(password, bearer));
  return { username, bearer, ...(fits && { password }) };
}

/** Where a service is asked. Throws a Failure (exit 2) where its address or origin cannot be used. */
export function addressOf(service: ServiceLayout, request: GateRequest): string {
  const url = request.url ?? service.url;
  readAddress(url);
  assertOrigin(service.origin);
  return url;
}

/** What there is to ask one service. Throws a Failure where the source or the address cannot be used. */
export async function questionFor(
  service: ServiceLayout,
  request: GateRequest & { handedIn?: HandedIn },
  world: World,
): Promise<Question> {
  const { key } = secretKey(request.handedIn, world);
  const outer = outerSource(request.handedIn, world);
  const observations = observe(service, new FileSnapshot());
  const resolution = await resolveCredential({ service, observations, outer, key, world });
  const { bearer, password, username } = resolution;
  const url = addressOf(service, request);
  if (bearer === undefined) return { service, url };
  // A password that does not fit the bearer would only be refused by the form: the files are at fault, not the server.
  const usable = resolution.pair === 'verified' ? password : undefined;
  return {
    service,
    url,
    credential: { username, bearer, ...(usable !== undefined && { password: usable }) },
  };
}

/** Says where a gate is: one line when something changes; what repeats is no news. */
function teller(name: string, rounds: number, world: World): NonNullable<GateOptions['onProgress']> {
  let said = '';
  return ({ elapsedMs, state, round }) => {
    const line = state === 'proved' ? `round ${round} of ${rounds} good` : state;
    if (line !== said) world.progress(`${name}: ${line} (${(elapsedMs / 1000).toFixed(1)} s)`);
    said = line;
  };
}

/**
 * Asks one server for its proof; without a credential only whether it keeps out who has none. `identity` names the
 * process that answers. Rejects where the signal is aborted.
 */
export async function ask(
  question: Question,
  request: GateRequest,
  world: World,
  identity?: GateOptions['identity'],
): Promise<ProbeReport> {
  const { service, url, credential } = question;
  const target = {
    url,
    clock: world.clock,
    ...(service.origin !== undefined && { origin: service.origin }),
    ...(request.signal !== undefined && { signal: request.signal }),
  };
  const tell = teller(service.name, request.rounds, world);
  const gate = {
    ...target,
    rounds: request.rounds,
    timeoutMs: request.timeoutMs,
    onProgress(progress: GateProgress) {
      tell(progress);
      request.onState?.(progress.state);
    },
    ...(identity !== undefined && { identity }),
  };
  if (credential !== undefined) return prove({ ...gate, credential });
  const report = await proveClosed(gate);
  const lacking: ProbeFinding = { code: 'credential-unknown', args: {} };
  return { ...report, findings: [...report.findings, lacking] };
}
