import { Exit, type ExitCode } from '../model/failure.ts';
import type { Finding } from '../model/finding.ts';
import { pendingJournal } from '../store/journal.ts';
import { waitForLock } from '../store/lock.ts';
import { stateFolder } from '../store/state.ts';
import { areStopped } from './deploy-result.ts';
import { interrupted } from './interruption.ts';
import type { GateRequest } from './question.ts';
import { recoverFirst } from './recovery.ts';
import { findLayout } from './target.ts';
import type { Target, World } from './world.ts';

/** What became of a run that was cut off. */
export interface FinishResult {
  command: 'finish';
  /**
   * `cleaned`: its change stood already, or nothing had changed · `stopped`: put back, but a service does not run ·
   * `failed`: put back, but a service is neither as it was nor certainly ended.
   */
  status: 'nothing' | 'cleaned' | 'rolled-back' | 'stopped' | 'failed';
  /** 6 where a service is not as it was. */
  exitCode: ExitCode;
  root: string;
  layout?: string;
  /** The command that was cut off. */
  interrupted?: string;
  services: [];
  findings: Finding[];
}

/** Whoever holds the lock now is at work on what its journal says, and ends it by itself. */
const PATIENCE_MS = 30_000;

/** Whether a run that was cut off left anything to do. Looks only. Throws a Failure where there is no deployment. */
export function isLeftUnfinished(target: Target, world: World): boolean {
  const { root } = findLayout(target, world);
  return pendingJournal(stateFolder(root, world.env)) !== null;
}

/**
 * Finishes or undoes what a run that was cut off left: its files, then the services that had read the new ones, which
 * pass the gate on the old. Touches nothing where there is no journal. Throws a Failure where another run holds the
 * lock (`locked`, exit 3), not all files can be put back (6), or the signal was aborted (`interrupted`).
 */
export async function finishInterrupted(
  target: Target,
  gate: GateRequest,
  world: World,
): Promise<FinishResult> {
  const layout = findLayout(target, world);
  const { root } = layout;
  const state = stateFolder(root, world.env);
  const nothing: FinishResult = {
    command: 'finish',
    status: 'nothing',
    exitCode: Exit.ok,
    root,
    ...(layout.file !== undefined && { layout: layout.file }),
    services: [],
    findings: [],
  };
  if (pendingJournal(state) === null) return nothing;
  try {
    const lock = await waitForLock(state, 'finish', world.clock, {
      ms: Math.min(PATIENCE_MS, gate.timeoutMs),
      onWait: (holder) => world.progress(`waiting: ${holder}`),
      signal: gate.signal,
    });
    try {
      const recovered = await recoverFirst(layout, state, { ...target, ...gate }, world);
      if (recovered === undefined) return nothing;
      const { done, findings, exitCode } = recovered;
      const left = findings.filter((one) => one.code === 'left-stopped');
      const failed = exitCode === Exit.notRestored ? 'failed' : done.action;
      const status = areStopped(left) ? 'stopped' : failed;
      return { ...nothing, status, exitCode, interrupted: done.command, findings };
    } finally {
      lock.release();
    }
  } catch (error) {
    throw gate.signal?.aborted ? interrupted(root, gate.signal, world, true) : error;
  }
}
