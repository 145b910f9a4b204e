import * as core from '@actions/core';
import { audit } from '../commands/audit.ts';
import { probe } from '../commands/probe.ts';
import { sync } from '../commands/sync.ts';
import type { World } from '../commands/world.ts';
import { asFailure, type Failure } from '../model/failure.ts';
import { bcryptPool, servesBcrypt } from '../platform/bcrypt-pool.ts';
import { systemClock } from '../platform/clock.ts';
import { refuseTellingDebug } from '../platform/node-debug.ts';
import { failureSummary, neutral, summaryOf } from '../report/github.ts';
import { failureJson, resultJson } from '../report/json.ts';
import { auditText, probeText, syncText } from '../report/results.ts';
import { actionProcess } from './exec.ts';
import { commandNamed, type Inputs, readInputs, readSecrets } from './inputs.ts';
import { mask, maskStep } from './mask.ts';
import { annotate, type Outcome, setOutputs, writeSummary } from './outputs.ts';

const world: World = {
  env: process.env,
  cwd: process.cwd(),
  clock: systemClock,
  process: actionProcess,
  bcrypt: bcryptPool(__filename, (count) => core.info(`comparing ${count} pairs of hash and password`)),
  stdin: async () => '',
  progress: (line) => core.info(neutral(line)),
  learned: (secret) => mask(secret.reveal()),
};

/** Runs the command that the inputs name; gives its result, and its result in words. */
async function runCommand(inputs: Inputs): Promise<{ result: Outcome; text: string[] }> {
  const look = { color: false, root: world.cwd, cwd: world.cwd };
  switch (inputs.command) {
    case 'audit': {
      const result = await audit(inputs, world);
      return { result, text: auditText(result, { ...look, root: result.root }) };
    }
    case 'sync': {
      const result = await sync(inputs, world);
      return { result, text: syncText(result, { ...look, root: result.root }) };
    }
    case 'probe': {
      const result = await probe(inputs, world);
      return { result, text: probeText(result, { ...look, root: result.root }) };
    }
  }
}

async function main(start: number): Promise<void> {
  refuseTellingDebug(process.env);
  const raw = readSecrets();
  const named = core.getMultilineInput('variables').filter((name) => name !== '');
  maskStep(raw, named, process.env);
  const inputs = readInputs(raw);
  const { result, text } = await runCommand(inputs);
  for (const line of text) core.info(neutral(line));
  annotate(result.findings, {
    root: result.root,
    cwd: world.cwd,
    workspace: process.env.GITHUB_WORKSPACE,
  });
  setOutputs(result, resultJson(result, world.clock.monotonicMs() - start, world.cwd));
  if (inputs.summary) await writeSummary(summaryOf(result, world.cwd));
  if (result.exitCode !== 0) {
    core.setFailed(`comfyui-auth ${inputs.command}: ${result.status} (exit code ${result.exitCode})`);
  }
}

/** Says a failure in all the places in which a result would be said. */
async function fail(failure: Failure, ms: number): Promise<void> {
  core.setFailed(neutral(`${failure.message}\n→ ${failure.remedy}`));
  const command = commandNamed();
  try {
    setOutputs(failure, failureJson(command, failure, ms));
    if (core.getInput('summary') !== 'false') await writeSummary(failureSummary(command, failure));
  } catch {
    // The runner's files are not there: that may be the very failure, and it is said above.
  }
}

if (!servesBcrypt()) {
  const start = world.clock.monotonicMs();
  main(start).catch((error) => fail(asFailure(error), world.clock.monotonicMs() - start));
}
