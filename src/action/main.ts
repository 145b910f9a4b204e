import * as core from '@actions/core';
import type { World } from '../commands/world.ts';
import { asFailure, Exit, type Failure } from '../model/failure.ts';
import { bcryptPool, servesBcrypt } from '../platform/bcrypt-pool.ts';
import { systemClock } from '../platform/clock.ts';
import { refuseTellingDebug } from '../platform/node-debug.ts';
import { failureLine, failureSummary, neutral, summaryOf } from '../report/github.ts';
import { failureJson, resultJson } from '../report/json.ts';
import { COMMAND_NAMES, COMMANDS } from './commands.ts';
import {
  type Cancellation,
  leave,
  listenForCancellation,
  outliveListeners,
  unlessCancelled,
} from './ending.ts';
import { actionProcess } from './exec.ts';
import { commandNamed, readInputs, readSecrets, variableNames } from './inputs.ts';
import { mask, maskStep } from './mask.ts';
import { annotate, annotateFailure, setOutputs, writeSummary } from './outputs.ts';
import { phase, remember } from './phase.ts';
import { post } from './post.ts';

const start = systemClock.monotonicMs();
const tookMs = () => systemClock.monotonicMs() - start;

/** The action's world. */
function actionWorld(): World {
  return {
    env: process.env,
    cwd: process.cwd(),
    clock: systemClock,
    process: actionProcess,
    bcrypt: bcryptPool(__filename, (count) => core.info(`comparing ${count} pairs of hash and password`)),
    stdin: async () => '',
    progress: (line) => core.info(neutral(line)),
    learned: (secret) => mask(secret.reveal()),
  };
}

/** Runs the command that the inputs name, and says its result. Throws a Failure. */
async function runCommand(world: World, cancellation: Cancellation): Promise<void> {
  const raw = readSecrets();
  maskStep(raw, variableNames(), world.env);
  const inputs = readInputs(raw, COMMAND_NAMES);
  const { run, writes } = COMMANDS[inputs.command];
  const { result, text } = await unlessCancelled(
    run({ ...inputs, signal: cancellation.signal }, world),
    cancellation,
    { target: inputs, world, atWork: writes },
  );
  for (const line of text) core.info(neutral(line));
  annotate(result, world);
  setOutputs(result, resultJson(result, tookMs(), world.cwd));
  if (inputs.summary) await writeSummary(summaryOf(result, world.cwd));
  if (result.exitCode !== Exit.ok) core.setFailed(failureLine(result));
}

/** Says a failure in all the places in which a result would be said. */
async function fail(failure: Failure): Promise<void> {
  annotateFailure(failure, 'error');
  const command = commandNamed(COMMAND_NAMES);
  setOutputs(failure, failureJson(command, failure, tookMs()));
  if (core.getInput('summary') !== 'false') await writeSummary(failureSummary(command, failure));
}

/** Whether a step that failed so has left nothing to the program that comes after the job. */
const isTidy = ({ code, exit }: Failure) => code !== 'internal' && exit !== Exit.notRestored;

async function step(): Promise<void> {
  const cancellation = listenForCancellation();
  remember('begun');
  try {
    refuseTellingDebug(process.env);
    await runCommand(actionWorld(), cancellation);
    remember('ended');
  } catch (error) {
    const failure = asFailure(error);
    await fail(failure);
    if (isTidy(failure)) remember('ended');
  }
}

/** The runner starts this file twice: for the step, and after the job. */
async function main(): Promise<void> {
  const now = phase();
  if (now === '') await step();
  if (now === 'begun') await post(actionWorld, listenForCancellation());
}

let givingUp = false;

/** What nobody caught must neither print a stack nor end the process before it is said. What follows is no news. */
function giveUp(error: unknown): void {
  if (givingUp) return;
  givingUp = true;
  fail(asFailure(error)).finally(leave);
}

if (!servesBcrypt()) {
  outliveListeners();
  for (const event of ['uncaughtException', 'unhandledRejection']) process.on(event, giveUp);
  main().finally(leave);
}
