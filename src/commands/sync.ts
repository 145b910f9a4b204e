import { isPlaceholder } from '../env-file/placeholder.ts';
import { Exit, type ExitCode, Failure } from '../model/failure.ts';
import { type Finding, finding } from '../model/finding.ts';
import type { Layout, ServiceLayout } from '../model/layout.ts';
import { fingerprint, Secret } from '../model/secret.ts';
import { pendingJournal } from '../store/journal.ts';
import { acquireLock } from '../store/lock.ts';
import { recover } from '../store/recover.ts';
import { makeStateFolder, stateFolder } from '../store/state.ts';
import { begin } from '../store/transaction.ts';
import { assess } from './assess.ts';
import { fileFindings } from './file-findings.ts';
import { FileSnapshot, type Observation, observe } from './gather.ts';
import { type Plan, type PlannedService, Planner } from './plan.ts';
import { type Resolution, resolveCredential, settledBearer } from './resolve.ts';
import { outerSource, secretKey } from './sources.ts';
import { chosenServices, findLayout, requireOneService } from './target.ts';
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

/** The step's variables that are to stand in the `.env`. Throws a Failure (exit 2) that names all that have no real value. */
function namedVariables(names: readonly string[], world: World): Map<string, Secret> {
  const values = new Map<string, Secret>();
  const wrong: string[] = [];
  for (const name of names) {
    // A name such as "constructor" is inherited by every object.
    const value = Object.hasOwn(world.env, name) ? world.env[name] : undefined;
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) wrong.push(`${name} (no name of a variable)`);
    else if (value === undefined) wrong.push(`${name} (not set)`);
    else if (value === '') wrong.push(`${name} (empty)`);
    else if (isPlaceholder(value)) wrong.push(`${name} (a placeholder)`);
    else values.set(name, new Secret(value));
  }
  if (wrong.length === 0) return values;
  throw new Failure({
    code: 'variable-unusable',
    exit: Exit.usage,
    message: `variables to reconcile without a real value: ${wrong.join(', ')}`,
    remedy: 'set them in the environment of this command (in a workflow: the step’s env), or leave them out',
  });
}

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
    const variables = namedVariables(this.#request.variables, this.#world);
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
    const made = this.#made.get(service.name) ?? settledBearer(resolution, this.#world);
    if (resolution.bearerFrom === 'new') this.#made.set(service.name, made);
    return made;
  }

  #noSource(service: ServiceLayout, resolution: Resolution, observations: readonly Observation[]): Finding[] {
    if (resolution.source !== 'none') return [];
    const path = service.authority ?? service.env?.path ?? this.#layout.root;
    const authority = observations.find((one) => one.location.path === path);
    // What may not be read is not known to hold none.
    if (authority?.file.kind === 'unreadable') {
      return fileFindings(authority.location, authority.file, service).map((one) => ({
        ...one,
        service: service.name,
      }));
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
      const now: Resolution = { ...resolution, ...(bearer !== undefined && { bearer, pair: 'verified' }) };
      const assessment = await assess(service, observe(service, files), now, this.#world);
      findings.push(...assessment.findings);
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
    const state = stateFolder(this.#layout.root, this.#world.env);
    const pending = pendingJournal(state);
    if (pending === null || this.#request.dryRun) {
      const drafted = await this.#draft();
      const { plan } = drafted;
      if (this.#request.dryRun && pending !== null) {
        const args = { command: pending.command, phase: pending.phase, files: pending.files.length };
        plan.refusals.push(
          finding('journal-pending', { location: { path: state.path, kind: 'file' }, args }),
        );
      }
      if (plan.refusals.length > 0) return this.#result(drafted, 'refused', plan.refusals);
      // Nothing to do: then not even the lock is touched.
      if (plan.changes.length === 0)
        return this.#result(drafted, 'unchanged', await this.#remaining(drafted));
      if (this.#request.dryRun) return this.#result(drafted, 'planned', await this.#remaining(drafted));
    }
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
