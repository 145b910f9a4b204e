import { Exit, type ExitCode } from '../model/failure.ts';
import { type Finding, type FindingCode, finding } from '../model/finding.ts';
import type { Layout, ServiceLayout } from '../model/layout.ts';
import { fingerprint, type Secret } from '../model/secret.ts';
import { assess } from './assess.ts';
import { closedFolderFindings, fileFindings } from './file-findings.ts';
import { FileSnapshot, type Observation, observe } from './gather.ts';
import { type Plan, type PlannedService, Planner } from './plan.ts';
import { type Resolution, resolveCredential, settledBearer } from './resolve.ts';
import { outerSource, secretKey } from './sources.ts';
import { chosenServices, findLayout, requireOneService } from './target.ts';
import { variablesFor } from './variables.ts';
import type { HandedIn, Target, World } from './world.ts';

export interface DraftRequest extends Target {
  handedIn?: HandedIn;
  /** Names of environment variables to reconcile into the `.env`. */
  variables: readonly string[];
}

/** What is to be written for one service, and the credential that stands afterwards. */
export interface SyncedService extends PlannedService {
  bearerFrom: Resolution['bearerFrom'];
  fingerprint?: string;
  envFile?: string;
}

/** One service of a draft, with what its locations held. */
export interface DraftedService {
  service: ServiceLayout;
  resolution: Resolution;
  observations: readonly Observation[];
}

/** A plan, and what it follows from. */
export interface Draft {
  plan: Plan;
  services: DraftedService[];
}

/** Findings that keep a file from saying what it holds. */
const SPOILING = new Set<FindingCode>([
  'file-unreadable',
  'not-a-file',
  'conf-malformed',
  'env-file-rejected',
]);

/** The exit code of a refusal: what could not be read was not found out; all else is wrong input. */
export const refusalExit = (refusals: readonly Finding[]): ExitCode =>
  refusals.every((one) => one.code === 'file-unreadable') ? Exit.unknown : Exit.usage;

/** Plans the writes of `sync` and `deploy`: first without the lock, then, where there is something to do, under it. */
export class Drafter {
  readonly layout: Layout;
  readonly chosen: readonly ServiceLayout[];
  readonly #request: DraftRequest;
  readonly #world: World;
  /** A bearer that is made anew is made once, however often the plan is. */
  readonly #made = new Map<string, Promise<Secret | undefined>>();

  constructor(request: DraftRequest, world: World) {
    this.#request = request;
    this.#world = world;
    this.layout = findLayout(request, world);
    this.chosen = chosenServices(this.layout, request);
  }

  /** Reads all locations and plans. Throws a Failure (exit 2) where what was handed in cannot be used. */
  async draft(): Promise<Draft> {
    const { handedIn } = this.#request;
    const outer = outerSource(handedIn, this.#world);
    if (outer !== undefined) requireOneService(this.layout, this.chosen, this.#request, outer.origin);
    const { key } = secretKey(handedIn, this.#world);
    const variables = variablesFor(this.#request, this.layout, this.chosen, this.#world);
    const files = new FileSnapshot();
    const planner = new Planner(files);
    const obstacles: Finding[] = [];
    const services: DraftedService[] = [];
    for (const service of this.chosen) {
      const observations = observe(service, files);
      const resolution = await resolveCredential({ service, observations, outer, key, world: this.#world });
      services.push({ service, resolution, observations });
      obstacles.push(...resolution.obstacles, ...this.#noSource(service, resolution, observations));
      if (resolution.obstacles.length > 0 || resolution.source === 'none') continue;
      const bearer = await this.bearer(service, resolution);
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

  /** The bearer that stands after a plan. */
  bearer(service: ServiceLayout, resolution: Resolution): Promise<Secret | undefined> {
    if (resolution.bearerFrom !== 'new') return settledBearer(resolution, this.#world);
    // The password is a part of the key: between two plans somebody may have written another one.
    const key = `${service.name}\0${resolution.password?.reveal()}`;
    const made = this.#made.get(key) ?? settledBearer(resolution, this.#world);
    this.#made.set(key, made);
    return made;
  }

  #noSource(service: ServiceLayout, resolution: Resolution, observations: readonly Observation[]): Finding[] {
    if (resolution.source !== 'none') return [];
    const path = service.authority ?? service.env?.path ?? this.layout.root;
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

  /** The services of a plan as a result names them. */
  async servicesOf(draft: Draft): Promise<SyncedService[]> {
    const services: SyncedService[] = [];
    for (const planned of draft.plan.services) {
      const found = draft.services.find((one) => one.service.name === planned.name);
      if (found === undefined) continue;
      const bearer = await this.bearer(found.service, found.resolution);
      const env = found.service.env;
      services.push({
        ...planned,
        bearerFrom: found.resolution.bearerFrom,
        ...(bearer !== undefined && { fingerprint: fingerprint(bearer) }),
        ...(env !== undefined && { envFile: env.path }),
      });
    }
    return services;
  }

  /** Whether all holds what was written: somebody may have changed a file since. */
  async stands(): Promise<boolean> {
    try {
      const { plan } = await this.draft();
      return plan.changes.length === 0 && plan.refusals.length === 0;
    } catch {
      return false;
    }
  }

  /** What deserves a look in the files as they stand now. */
  async remaining(draft: Draft): Promise<Finding[]> {
    const files = new FileSnapshot();
    const findings: Finding[] = [];
    for (const { service, resolution } of draft.services) {
      const bearer = await this.bearer(service, resolution);
      const { password } = resolution;
      const known = bearer !== undefined && password !== undefined;
      const fits = known && (await this.#world.bcrypt.verify(password, bearer));
      const pair = known ? (fits ? 'verified' : 'mismatch') : 'unknown';
      const now: Resolution = { ...resolution, pair, ...(bearer !== undefined && { bearer }) };
      const assessment = await assess(service, observe(service, files), now, this.#world);
      findings.push(...assessment.findings, ...closedFolderFindings(service, this.layout.root));
    }
    const { weak } = secretKey(this.#request.handedIn, this.#world);
    if (weak !== undefined) findings.push(finding('secret-key-weak', { args: weak }));
    return findings;
  }

  /** The same behind the commit: what goes wrong here must not make a failure of what stands already. */
  async afterwards(draft: Draft): Promise<Finding[]> {
    try {
      return await this.remaining(draft);
    } catch {
      this.#world.progress('all is written, but could not be looked at again: see comfyui-auth audit');
      return [];
    }
  }
}
