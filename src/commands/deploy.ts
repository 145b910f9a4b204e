import { Exit, Failure } from '../model/failure.ts';
import type { Finding } from '../model/finding.ts';
import { type Lock, waitForLock } from '../store/lock.ts';
import { makeStateFolder, type StateFolder, stateFolder } from '../store/state.ts';
import { begin, type Transaction } from '../store/transaction.ts';
import { Aftermath } from './aftermath.ts';
import { jobsOf } from './deploy-jobs.ts';
import {
  afterRecovery,
  backVerdict,
  type DeployedService,
  type DeployRequest,
  type DeployResult,
  deployedService,
  proofFindings,
  provenVerdict,
  unprovenVerdict,
  type Verdict,
} from './deploy-result.ts';
import { type Draft, Drafter, refusalExit } from './draft.ts';
import { interrupted } from './interruption.ts';
import { requirePlaces } from './plan.ts';
import { recoverFirst } from './recovery.ts';
import { failureFinding, type Outcome } from './renew.ts';
import {
  allProved,
  endUnproven,
  type Outcomes,
  type Restored,
  type RolloutJob,
  rollBack,
  rollbackJob,
  rollForward,
  settle,
} from './rollout.ts';
import { type Standing, standingOf } from './standing.ts';
import { journalFindings } from './surroundings.ts';
import { requireOneService } from './target.ts';
import type { World } from './world.ts';

/** One run of `deploy`. */
class Deploy {
  readonly #request: DeployRequest;
  readonly #world: World;
  readonly #drafter: Drafter;
  /** What was found open before anything was done, and ended: it has to be started again. */
  readonly #ended = new Map<string, Outcome>();
  /** What a Failure must not keep quiet about. */
  readonly #aftermath = new Aftermath();
  /** How services stand whose files were put back. */
  readonly #restored = new Map<RolloutJob, Restored>();
  /** Whether the lock is held. */
  #atWork = false;

  constructor(request: DeployRequest, world: World) {
    this.#request = request;
    this.#world = world;
    this.#drafter = new Drafter(request, world);
    const { layout, chosen } = this.#drafter;
    if (request.url !== undefined) requireOneService(layout, chosen, request, '--url');
  }

  async #result(
    draft: Draft,
    verdict: Verdict,
    jobs: readonly RolloutJob[] = [],
    outcomes: Outcomes = new Map(),
    restored: ReadonlyMap<RolloutJob, Restored> = new Map(),
  ): Promise<DeployResult> {
    const { layout } = this.#drafter;
    const synced = await this.#drafter.servicesOf(draft);
    const stands = ['deployed', 'unchanged', 'planned'].includes(verdict.status);
    const services = synced.map((one): DeployedService => {
      const service = draft.services.find((two) => two.service.name === one.name)?.service;
      const job = jobs.find((two) => two.service === service);
      const ends = job && { first: outcomes.get(job), back: restored.get(job)?.outcome };
      return deployedService(one, { service, url: this.#request.url, action: job?.action, stands, ...ends });
    });
    return {
      command: 'deploy',
      root: layout.root,
      ...(layout.file !== undefined && { layout: layout.file }),
      services,
      backup: null,
      ...verdict,
    };
  }

  /** Looks without the lock whether there is anything to do; the result where there is not. */
  async #idle(draft: Draft, pending: readonly Finding[]): Promise<DeployResult | undefined> {
    const { plan } = draft;
    if (plan.refusals.length > 0) {
      const findings = [...plan.refusals, ...pending];
      return this.#result(draft, { status: 'refused', exitCode: refusalExit(findings), findings });
    }
    requirePlaces(plan, () => journalFindings(this.#drafter.layout.root, this.#world).length > 0);
    const jobs = await jobsOf(draft, this.#drafter, this.#request, this.#world, { strict: false });
    if (this.#request.dryRun) {
      const unseen = jobs.flatMap((job) => (job.unseen ? failureFinding(job.unseen, job.service) : []));
      const findings = [...(await this.#drafter.remaining(draft)), ...unseen, ...pending];
      const status = plan.changes.length === 0 ? 'unchanged' : 'planned';
      return this.#result(draft, { status, exitCode: Exit.ok, findings }, jobs);
    }
    if (plan.changes.length > 0) return undefined;
    const standings = await Promise.all(jobs.map((job) => this.#standing(job)));
    const outcomes = new Map<RolloutJob, Outcome>(standings);
    if (allProved(jobs, outcomes)) {
      const findings = [...(await this.#drafter.remaining(draft)), ...proofFindings(outcomes)];
      return this.#result(draft, { status: 'unchanged', exitCode: Exit.ok, findings }, jobs, outcomes);
    }
    const isRenewable = standings.some(([job, one]) => one.renewable && job.whenStale !== 'none');
    return isRenewable ? undefined : this.#result(draft, unprovenVerdict(outcomes), jobs, outcomes);
  }

  /** How a service stands. What was open is noted at once: whatever comes then, it must be said. */
  async #standing(job: RolloutJob): Promise<[RolloutJob, Standing]> {
    const standing = await standingOf(job, job.next, this.#request, this.#world);
    if (standing.wasOpen) {
      this.#ended.set(job.service.name, standing);
      this.#aftermath.open(job.service.name, standing);
    }
    return [job, standing];
  }

  async run(): Promise<DeployResult> {
    try {
      return await this.#run();
    } catch (error) {
      const { signal } = this.#request;
      // Which files could not be put back is more than that it was interrupted.
      const isLast = error instanceof Failure && error.exit === Exit.notRestored;
      throw this.#aftermath.of(
        signal?.aborted && !isLast
          ? interrupted(this.#drafter.layout.root, signal, this.#world, this.#atWork)
          : error,
      );
    }
  }

  async #run(): Promise<DeployResult> {
    const { layout } = this.#drafter;
    const pending = journalFindings(layout.root, this.#world);
    if (pending.length === 0 || this.#request.dryRun) {
      const done = await this.#idle(await this.#drafter.draft(), pending);
      if (done !== undefined) return done;
    }
    const state = stateFolder(layout.root, this.#world.env);
    makeStateFolder(state);
    const lock: Lock = await waitForLock(state, 'deploy', this.#world.clock, {
      ms: this.#request.timeoutMs,
      onWait: (holder) => this.#world.progress(`waiting: ${holder}`),
      signal: this.#request.signal,
    });
    this.#atWork = true;
    try {
      const recovered = await recoverFirst(layout, state, this.#request, this.#world);
      if (recovered !== undefined) this.#aftermath.recovered(recovered);
      const result = await this.#locked(state);
      if (recovered === undefined) return result;
      return afterRecovery(result, recovered);
    } finally {
      lock.release();
    }
  }

  async #locked(state: StateFolder): Promise<DeployResult> {
    const draft = await this.#drafter.draft();
    const { refusals, changes } = draft.plan;
    if (refusals.length > 0) {
      return this.#result(draft, { status: 'refused', exitCode: refusalExit(refusals), findings: refusals });
    }
    // Whatever cannot be asked or restarted shows before anything is written.
    const jobs = await jobsOf(draft, this.#drafter, this.#request, this.#world, { strict: true });
    for (const job of jobs.filter(({ service }) => this.#ended.has(service.name))) {
      if (job.action === 'none' || job.action === 'reload') job.action = job.afresh;
      job.wasRunning = true;
    }
    this.#request.signal?.throwIfAborted();
    const transaction = begin(state, changes, { command: 'deploy', now: this.#world.clock.now() });
    transaction.apply();
    for (const job of jobs) {
      const { wasRunning: running, service } = job;
      job.restarting = () => transaction.begun({ name: service.name, running });
      job.restarted = () => transaction.markRestarted();
    }
    const outcomes = await rollForward(jobs, this.#request, this.#world);
    if (!allProved(jobs, outcomes)) return this.#back(draft, transaction, jobs, outcomes);
    let backup: string | null;
    try {
      backup = transaction.commit().backup;
    } catch (error) {
      // Where the new files stand, what was proven on them goes on; else it goes back with the files.
      if (error instanceof Failure && error.exit === Exit.notRestored) {
        for (const { service } of jobs) this.#aftermath.stays(service.name);
        throw error;
      }
      await this.#back(draft, transaction, jobs, outcomes);
      for (const [job, one] of this.#restored) this.#aftermath.back(job.service.name, one.asBefore);
      throw error;
    }
    const stands = await this.#drafter.stands();
    const remaining = await this.#drafter.afterwards(draft);
    const verdict = provenVerdict([this.#ended, outcomes], { backup, stands, remaining });
    return this.#result(draft, verdict, jobs, outcomes);
  }

  /** Everything back: the files, then every service that may have read the new ones. */
  async #back(
    draft: Draft,
    transaction: Transaction,
    jobs: readonly RolloutJob[],
    outcomes: Outcomes,
  ): Promise<DeployResult> {
    const changed = transaction.files.length > 0;
    const untouched = [...outcomes.values()].every((one) => one.action === 'none');
    if (!changed && untouched) {
      transaction.forget();
      return this.#result(draft, unprovenVerdict(outcomes), jobs, outcomes);
    }
    this.#aftermath.opened(outcomes);
    try {
      transaction.restore();
    } catch (error) {
      for (const [{ service }, certain] of await endUnproven(outcomes, this.#request, this.#world)) {
        this.#aftermath.ended(service.name, certain);
      }
      throw error;
    }
    const restored = this.#restored;
    for (const [job, outcome] of outcomes) {
      // Nothing was changed that could be put back: what has been tried is all there is.
      const result = changed
        ? await rollBack(rollbackJob(job, outcome), this.#request, this.#world)
        : await settle(job, outcome, this.#request, this.#world);
      restored.set(job, result);
    }
    transaction.forget();
    const verdict = backVerdict([this.#ended, outcomes], [...restored.values()], changed);
    return this.#result(draft, verdict, jobs, outcomes, restored);
  }
}

/**
 * Makes every location hold the credential, makes the services read it, and proves them; or puts everything back.
 * Throws a Failure where the engine cannot be asked (exit 3), secrets or the layout cannot be used (2), files cannot be
 * written (5) or put back (6), or the signal was aborted (`interrupted`: 3 where nothing was changed, else 6).
 */
export function deploy(request: DeployRequest, world: World): Promise<DeployResult> {
  return new Deploy(request, world).run();
}
