import * as core from '@actions/core';
import { finishInterrupted, isLeftUnfinished } from '../commands/finish.ts';
import type { World } from '../commands/world.ts';
import { asFailure, Exit } from '../model/failure.ts';
import { refuseTellingDebug } from '../platform/node-debug.ts';
import { finishText, neutral, summaryOf } from '../report/github.ts';
import { COMMAND_NAMES, COMMANDS } from './commands.ts';
import { type Cancellation, unlessCancelled } from './ending.ts';
import { readInputs, readSecrets, variableNames } from './inputs.ts';
import { maskStep } from './mask.ts';
import { annotate, annotateFailure, writeSummary } from './outputs.ts';

/** Puts in order what the step left when it was cut off. Silent where that is nothing. */
async function finish(world: World, cancellation: Cancellation): Promise<void> {
  const raw = readSecrets();
  const inputs = readInputs(raw, COMMAND_NAMES);
  if (!COMMANDS[inputs.command].writes || inputs.dryRun || !isLeftUnfinished(inputs, world)) return;
  maskStep(raw, inputs.variables, world.env);
  const { signal } = cancellation;
  const result = await unlessCancelled(
    finishInterrupted(inputs, { ...inputs, signal }, world),
    cancellation,
    { target: inputs, world, atWork: true },
  );
  if (result.status === 'nothing') return;
  annotate(result, world);
  if (inputs.summary) await writeSummary(summaryOf(result, world.cwd));
  const text = neutral(finishText(result));
  if (result.exitCode === Exit.notRestored) core.setFailed(text);
  else if (result.status === 'cleaned') core.info(text);
  else core.warning(text);
}

/**
 * The program that the runner starts after the job, also after a cancelled one. Its failure is no failure of the job,
 * unless not all could be put back. Does not reject.
 */
export async function post(worldOf: () => World, cancellation: Cancellation): Promise<void> {
  try {
    refuseTellingDebug(process.env);
    await finish(worldOf(), cancellation);
  } catch (error) {
    const failure = asFailure(error);
    try {
      maskStep(readSecrets(), variableNames(), process.env);
    } catch {
      // A secret that is too short to be masked: the step has refused it.
    }
    annotateFailure(failure, failure.exit === Exit.notRestored ? 'error' : 'warning');
  }
}
