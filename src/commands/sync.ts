import { Exit, type ExitCode } from '../model/failure.ts';
import { type Finding, type FindingCode, finding } from '../model/finding.ts';
import type { Layout, ServiceLayout } from '../model/layout.ts';
import { fingerprint, type Secret } from '../model/secret.ts';
import { acquireLock } from '../store/lock.ts';
import { recover } from '../store/recover.ts';
import { makeStateFolder, stateFolder } from '../store/state.ts';
import { begin } from '../store/transaction.ts';
import { assess } from './assess.ts';
import { closedFolderFindings, fileFindings } from './file-findings.ts';
import { FileSnapshot, type Observation, observe } from './gather.ts';
import { type Plan, type PlannedService, Planner, requirePlaces } from './plan.ts';
import { type Resolution, resolveCredential, settledBearer } from './resolve.ts';
import { outerSource, secretKey } from './sources.ts';
import { journalFindings } from './surroundings.ts';
import { chosenServices, findLayout, requireOneService } from './target.ts';
import { variablesFor } from './variables.ts';
import type { HandedIn, Target, World } from './world.ts';

export interface SyncRequest extends Target {
  handedIn?: HandedIn;
  dryRun: boolean;
  /** Names of environment variables to reconcile into the `.env`. */
  variables: readonly string[];
}

export interface SyncedService extends PlannedService {
  bearerFrom: Resolution['bearerFrom'];
  /** Of the bearer that stands afterwards. */
  fingerprint?: string;
  envFile?: string;
}

export interface SyncResult {
  command: 'sync';
  status: 'unchanged' | 'changed' | 'planned' | 'refused';
  exitCode: ExitCode;
  root: string;
  layout?: string;
  services: SyncedService[];
  /** What was refused; otherwise what still deserves a look. */
  findings: Finding[];
  /** The id of the kept set of old files. */
  backup: string | null;
  /** Set where an interrupted run was finished or undone first. */
  recovered?: { action: 'cleaned' | 'rolled-back'; command: string };
}

/** Findings that keep a file from saying what it holds. */
const SPOILING = new Set<FindingCode>([
  'file-unreadable',
  'not-a-file',
  'conf-malformed',
  'env-file-rejected',
]);

interface Drafted {
  plan: Plan;
  services: { service: ServiceLayout; resolution: Resolution }[];
}

/** One run of `sync`: the same steps first without the lock, then, where there is something to do, under it. */
class Sync {
  readonly #request: SyncRequest;
  readonly #world: World;
  readonly #layout: Layout;
  readonly #chosen: ServiceLayout[];
  /** A bearer that is made anew is made once, however often the plan is. */
  readonly #made = new Map<string, Promise<Secret | undefined>>();

  constructor(request: SyncRequest, world: World) {
    this.#request = request;
    this.#world = world;
    this.#layout = findLayout(request, world);
    this.#chosen = chosenServices(this.#layout, request);
  }

  async #draft(): Promise<Drafted> {
    const { handedIn } = this.#request;
    const outer = outerSource(handedIn, this.#world);
    if (outer !== undefined) requireOneService(this.#layout, this.#chosen, this.#request, outer.origin);
    const { key } = secretKey(handedIn, this.#world);
    const variables = variablesFor(this.#request, this.#layout, this.#chosen, this.#world);
    const files = new FileSnapshot();
    const planner = new Planner(files);
    const obstacles: Finding[] = [];
    const services: Drafted['services'] = [];
    for (const service of this.#chosen) {
      const observations = observe(service, files);
      const inputs = { service, observations, outer, key, world: this.#world };
      const resolution = await resolveCredential(inputs);
      services.push({ service, resolution });
      obstacles.push(...resolution.obstacles, ...this.#noSource(service, resolution, observations));
      if (resolution.obstacles.length > 0 || resolution.source === 'none') continue;
      const bearer = await this.#bearer(service, resolution);
      const { username, password } = resolution;
      planner.add(service, {
        username,
        variables,
        ...(password !== undefined && { password }),
        ...(bearer !== undefined && { bearer }),
      });
    }
    const plan = planner.finish();
    plan.refusals.unshift(...obstacles);
    return { plan, services };
  }

  #bearer(service: ServiceLayout, resolution: Resolution): Promise<Secret | undefined> {
    if (resolution.bearerFrom !== 'new') return settledBearer(resolution, this.#world);
    // The password is a part of the key: between two plans somebody may have written another one.
    const key = `${service.name}\0${resolution.password?.reveal()}`;
    const made = this.#made.get(key) ?? settledBearer(resolution, this.#world);
    this.#made.set(key, made);
    return made;
  }

  #noSource(service: ServiceLayout, resolution: Resolution, observations: readonly Observation[]): Finding[] {
    if (resolution.source !== 'none') return [];
    const path = service.authority ?? service.env?.path ?? this.#layout.root;
    const authority = observations.find((one) => one.location.path === path);
    // What cannot be read or understood is not known to hold none: that is the cause to name.
    if (authority !== undefined && authority.file.kind !== 'missing') {
      const broken = [
        ...fileFindings(authority.location, authority.file, service),
        ...(authority.content?.findings ?? []),
      ].filter((one) => SPOILING.has(one.code));
      if (broken.length > 0) return broken.map((one) => ({ ...one, service: service.name }));
    }
    return [finding('credential-unknown', { service: service.name, location: { path, kind: 'file' } })];
  }

  async #result(drafted: Drafted, status: SyncResult['status'], findings: Finding[]): Promise<SyncResult> {
    const refused = status === 'refused';
    const unreadable = findings.every((one) => one.code === 'file-unreadable');
    const services: SyncedService[] = [];
    for (const planned of drafted.plan.services) {
      const found = drafted.services.find((one) => one.service.name === planned.name);
      if (found === undefined) continue;
      const bearer = await this.#bearer(found.service, found.resolution);
      const env = found.service.env;
      services.push({
        ...planned,
        bearerFrom: found.resolution.bearerFrom,
        ...(bearer !== undefined && { fingerprint: fingerprint(bearer) }),
        ...(env !== undefined && { envFile: env.path }),
      });
    }
    return {
      command: 'sync',
      status,
      exitCode: refused ? (unreadable ? Exit.unknown : Exit.usage) : Exit.ok,
      root: this.#layout.root,
      ...(this.#layout.file !== undefined && { layout: this.#layout.file }),
      services,
      findings,
      backup: null,
    };
  }

  /** What deserves a look in the files as they stand now. */
  async #remaining(drafted: Drafted): Promise<Finding[]> {
    const files = new FileSnapshot();
    const findings: Finding[] = [];
    for (const { service, resolution } of drafted.services) {
      const bearer = await this.#bearer(service, resolution);
      const { password } = resolution;
      const known = bearer !== undefined && password !== undefined;
      const fits = known && (await this.#world.bcrypt.verify(password, bearer));
      const pair = known ? (fits ? 'verified' : 'mismatch') : 'unknown';
      const now: Resolution = { ...resolution, pair, ...(bearer !== undefined && { bearer }) };
      const assessment = await assess(service, observe(service, files), now, this.#world);
      findings.push(...assessment.findings, ...closedFolderFindings(service, this.#layout.root));
    }
    const { weak } = secretKey(this.#request.handedIn, this.#world);
    if (weak !== undefined) findings.push(finding('secret-key-weak', { args: weak }));
    return findings;
  }

  /** The same behind the commit: what goes wrong here must not make a failure of what stands already. */
  async #afterwards(drafted: Drafted): Promise<Finding[]> {
    try {
      return await this.#remaining(drafted);
    } catch {
      this.#world.progress('all is written, but could not be looked at again: see comfyui-auth audit');
      return [];
    }
  }

  async run(): Promise<SyncResult> {
    const interrupted = journalFindings(this.#layout.root, this.#world);
    if (interrupted.length === 0 || this.#request.dryRun) {
      const drafted = await this.#draft();
      const { plan } = drafted;
      if (plan.refusals.length > 0) {
        return this.#result(drafted, 'refused', [...plan.refusals, ...interrupted]);
      }
      // Nothing to do: then not even the lock is touched.
      const idle = plan.changes.length === 0;
      requirePlaces(plan, () => journalFindings(this.#layout.root, this.#world).length > 0);
      if (idle || this.#request.dryRun) {
        const findings = [...(await this.#remaining(drafted)), ...interrupted];
        return this.#result(drafted, idle ? 'unchanged' : 'planned', findings);
      }
    }
    const state = stateFolder(this.#layout.root, this.#world.env);
    makeStateFolder(state);
    const lock = acquireLock(state, 'sync');
    try {
      const recovery = recover(state);
      const drafted = await this.#draft();
      const { plan } = drafted;
      const recovered = recovery.action !== 'none' && {
        recovered: { action: recovery.action, command: recovery.command ?? 'sync' },
      };
      if (plan.refusals.length > 0)
        return { ...(await this.#result(drafted, 'refused', plan.refusals)), ...recovered };
      const transaction = begin(state, plan.changes, { command: 'sync', now: this.#world.clock.now() });
      transaction.apply();
      const { backup } = transaction.commit();
      const status = backup === null ? 'unchanged' : 'changed';
      const findings = await this.#afterwards(drafted);
      return { ...(await this.#result(drafted, status, findings)), ...recovered, backup };
    } finally {
      lock.release();
    }
  }
}

/**
 * Makes every location hold the credential, in one transaction; with `dryRun` only says what it would do.
 * Throws a Failure where secrets or the layout cannot be used (exit 2), or where the writing failed (5, 6).
 */
export function sync(request: SyncRequest, world: World): Promise<SyncResult> {
  return new Sync(request, world).run();
}
