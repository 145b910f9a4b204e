import { Exit, type ExitCode, Failure, worstExit } from '../model/failure.ts';
import type { Finding } from '../model/finding.ts';
import { acquireLock } from '../store/lock.ts';
import { makeStateFolder, stateFolder } from '../store/state.ts';
import { begin } from '../store/transaction.ts';
import { type Draft, Drafter, type DraftRequest, refusalExit, type SyncedService } from './draft.ts';
import { interrupted } from './interruption.ts';
import { requirePlaces } from './plan.ts';
import { type Recovered, recoverFirst } from './recovery.ts';
import { journalFindings } from './surroundings.ts';
import type { World } from './world.ts';

export interface SyncRequest extends DraftRequest {
  dryRun: boolean;
  /** Ends the run where it is aborted, unless files are being written: that is no step of its own. */
  signal?: AbortSignal;
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
  recovered?: Recovered['done'];
}

/** One run of `sync`. */
class Sync {
  readonly #request: SyncRequest;
  readonly #world: World;
  readonly #drafter: Drafter;
  /** Whether the lock is held. */
  #atWork = false;

  constructor(request: SyncRequest, world: World) {
    this.#request = request;
    this.#world = world;
    this.#drafter = new Drafter(request, world);
  }

  async #result(draft: Draft, status: SyncResult['status'], findings: Finding[]): Promise<SyncResult> {
    const { layout } = this.#drafter;
    return {
      command: 'sync',
      status,
      exitCode: status === 'refused' ? refusalExit(findings) : Exit.ok,
      root: layout.root,
      ...(layout.file !== undefined && { layout: layout.file }),
      services: await this.#drafter.servicesOf(draft),
      findings,
      backup: null,
    };
  }

  async run(): Promise<SyncResult> {
    try {
      return await this.#run();
    } catch (error) {
      const { signal } = this.#request;
      // Which files could not be put back is more than that it was interrupted.
      const isLast = error instanceof Failure && error.exit === Exit.notRestored;
      throw signal?.aborted && !isLast
        ? interrupted(this.#drafter.layout.root, signal, this.#world, this.#atWork)
        : error;
    }
  }

  async #run(): Promise<SyncResult> {
    const { root } = this.#drafter.layout;
    const pending = journalFindings(root, this.#world);
    if (pending.length === 0 || this.#request.dryRun) {
      const draft = await this.#drafter.draft();
      const { plan } = draft;
      if (plan.refusals.length > 0) {
        return this.#result(draft, 'refused', [...plan.refusals, ...pending]);
      }
      // Nothing to do: then not even the lock is touched.
      const idle = plan.changes.length === 0;
      requirePlaces(plan, () => journalFindings(root, this.#world).length > 0);
      if (idle || this.#request.dryRun) {
        const findings = [...(await this.#drafter.remaining(draft)), ...pending];
        return this.#result(draft, idle ? 'unchanged' : 'planned', findings);
      }
    }
    return this.#locked();
  }

  async #locked(): Promise<SyncResult> {
    const { layout } = this.#drafter;
    const state = stateFolder(layout.root, this.#world.env);
    makeStateFolder(state);
    const lock = acquireLock(state, 'sync');
    this.#atWork = true;
    try {
      const { signal } = this.#request;
      const recovered = await recoverFirst(layout, state, { ...(signal && { signal }) }, this.#world);
      const result = await this.#write(state);
      return {
        ...result,
        exitCode: worstExit([result.exitCode, recovered?.exitCode ?? Exit.ok]),
        findings: [...(recovered?.findings ?? []), ...result.findings],
        ...(recovered !== undefined && { recovered: recovered.done }),
      };
    } finally {
      lock.release();
    }
  }

  async #write(state: ReturnType<typeof stateFolder>): Promise<SyncResult> {
    const draft = await this.#drafter.draft();
    const { plan } = draft;
    if (plan.refusals.length > 0) return this.#result(draft, 'refused', plan.refusals);
    this.#request.signal?.throwIfAborted();
    const transaction = begin(state, plan.changes, { command: 'sync', now: this.#world.clock.now() });
    transaction.apply();
    const { backup } = transaction.commit();
    const status = backup === null ? 'unchanged' : 'changed';
    const findings = await this.#drafter.afterwards(draft);
    return { ...(await this.#result(draft, status, findings)), backup };
  }
}

/**
 * Makes every location hold the credential, in one transaction; with `dryRun` only says what it would do.
 * Throws a Failure where secrets or the layout cannot be used (exit 2), where the writing failed (5, 6), or the signal was
 * aborted (`interrupted`: 3 where nothing was changed, else 6).
 */
export function sync(request: SyncRequest, world: World): Promise<SyncResult> {
  return new Sync(request, world).run();
}
