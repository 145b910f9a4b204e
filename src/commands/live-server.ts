import type { Credential } from '../model/credential.ts';
import type { FindingCode } from '../model/finding.ts';
import type { ServiceLayout } from '../model/layout.ts';
import { Secret } from '../model/secret.ts';
import type { Check, CheckId, ProbeFinding, ProbeStatus } from '../probe/check.ts';
import { askRound } from '../probe/round.ts';
import { type Steps, stepsFor } from '../probe/steps.ts';
import type { Resolution } from './resolve.ts';
import type { World } from './world.ts';

/** No request takes longer, whatever was asked for. */
const TRY_MS = 5_000;

const NOBODY: Credential = { username: '', bearer: new Secret('') };

/** What a login page can tell although no credential was accepted before. */
const PAGE_FAULTS: readonly FindingCode[] = ['first-visit', 'guest-mode-on', 'password-file-malformed'];

/** What a server answered just now. */
export interface ServerView {
  status: ProbeStatus;
  checks: ReadonlyMap<CheckId, Check>;
  findings: ProbeFinding[];
  /** The check at which the round ended, where it did not reach its end. */
  endedAt?: CheckId;
  /** Whether `/login` is the page of ComfyUI-Login; undefined where it was not asked. */
  loginPage?: boolean;
}

/** The credential to ask with; a password that does not fit the bearer would only be refused by the form. */
export function credentialOf({ username, bearer, password, pair }: Resolution): Credential | undefined {
  if (bearer === undefined) return undefined;
  return { username, bearer, ...(password !== undefined && pair === 'verified' && { password }) };
}

class Asker {
  readonly #steps: Steps;
  readonly #bound: () => number;
  readonly #world: World;
  readonly checks = new Map<CheckId, Check>();
  readonly findings: ProbeFinding[] = [];
  status: ProbeStatus = 'unknown';
  endedAt: CheckId | undefined;
  loginPage: boolean | undefined;

  constructor(steps: Steps, timeoutMs: number, world: World) {
    this.#steps = steps;
    this.#bound = () => Math.min(TRY_MS, timeoutMs);
    this.#world = world;
  }

  async round(depth: 'refusals' | 'full'): Promise<void> {
    const round = await askRound(this.#steps, depth, this.#bound, this.#world.clock);
    for (const check of round.checks) this.checks.set(check.id, check);
    this.findings.push(...round.findings);
    this.status = depth === 'refusals' && round.status === 'proved' ? 'unknown' : round.status;
    if (round.status === 'proved') return;
    this.endedAt = round.checks.findLast(({ verdict, id }) => verdict !== 'skip' && id !== 'suffix')?.id;
  }

  /** Asks what needs no credential, where the round did not come so far. Gives what it means. */
  async alone(id: 'login-page' | 'suffix') {
    const known = this.checks.get(id);
    if (known !== undefined && known.verdict !== 'skip') return undefined;
    const result = await this.#steps[id](this.#bound);
    if (result === undefined) return undefined;
    const { judgement, httpStatus } = result;
    const { verdict } = judgement;
    this.checks.set(id, { id, verdict, ms: 0, ...(httpStatus !== undefined && { httpStatus }) });
    return judgement;
  }

  /** Whether the login page is there, and what it gives away. */
  async page(closed: boolean): Promise<void> {
    const judgement = await this.alone('login-page');
    const found = judgement?.finding ?? this.findings.find((one) => PAGE_FAULTS.includes(one.code));
    const verdict = this.checks.get('login-page')?.verdict;
    this.loginPage = verdict === 'pass' || (found !== undefined && PAGE_FAULTS.includes(found.code));
    // On an open server the page is no hole of its own.
    if (!closed || judgement?.finding === undefined || !this.loginPage) return;
    this.findings.push(judgement.finding);
    if (judgement.means === 'open') this.status = 'open';
  }
}

/** Whether the bearer is good for another origin than the one that the layout names. */
async function otherOrigin(
  service: ServiceLayout,
  target: Parameters<typeof stepsFor>[0],
  bound: () => number,
): Promise<ProbeFinding | undefined> {
  if (service.origin === undefined) return undefined;
  const { origin: _, ...without } = target;
  const finding = (await stepsFor(without).bearer(bound))?.judgement.finding;
  return finding?.code === 'origin-required' ? finding : undefined;
}

/**
 * Asks a server once all that the probe asks, and then what the probe leaves out after a bad answer and needs no
 * credential. Without a credential only whether it lets in who has none. Throws a `Failure` where the address or the
 * origin cannot be used.
 */
export async function askServer(
  service: ServiceLayout,
  url: string,
  credential: Credential | undefined,
  timeoutMs: number,
  world: World,
): Promise<ServerView> {
  const target = {
    url,
    clock: world.clock,
    credential: credential ?? NOBODY,
    ...(service.origin !== undefined && { origin: service.origin }),
  };
  const asker = new Asker(stepsFor(target), timeoutMs, world);
  await asker.round(credential === undefined ? 'refusals' : 'full');
  const anonymous = asker.checks.get('anonymous')?.verdict;
  const closed = anonymous === 'pass';
  if (closed || anonymous === 'fail') await asker.page(closed);
  const suffix = closed ? (await asker.alone('suffix'))?.finding : undefined;
  if (suffix !== undefined) asker.findings.push(suffix);
  const refused = asker.findings.findIndex((one) => one.code === 'bearer-refused');
  if (refused >= 0) {
    const other = await otherOrigin(service, target, () => Math.min(TRY_MS, timeoutMs));
    if (other !== undefined) asker.findings[refused] = other;
  }
  const { status, checks, findings, endedAt, loginPage } = asker;
  return {
    status,
    checks,
    findings,
    ...(endedAt !== undefined && { endedAt }),
    ...(loginPage !== undefined && { loginPage }),
  };
}
