import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as core from '@actions/core';
import { Exit, type ExitCode, Failure } from '../model/failure.ts';
import { reaches } from '../model/finding.ts';
import { annotationOf, failureAnnotation, isUndone, type SummaryShape } from '../report/github.ts';

/** What outputs are made of, whatever the command was. */
export interface Outcome extends SummaryShape {
  exitCode: ExitCode;
}

/** Whether every server has given its proof: a dry run finds nothing to change, and proves nothing. */
function isProved({ command, status, services }: Outcome): boolean {
  if (command === 'probe') return status === 'proved';
  const good = command === 'deploy' && (status === 'deployed' || status === 'unchanged');
  return good && services.every((one) => one.readyAfterMs !== undefined);
}

/** Every output of action.yml that this outcome has. */
function outputsOf(outcome: Outcome): Record<string, string> {
  const [service, ...others] = outcome.services;
  const only = others.length === 0 ? service : undefined;
  const proved = isProved(outcome);
  const ready = proved ? only?.readyAfterMs : undefined;
  // What was put back is not what was planned.
  const stands = only !== undefined && !isUndone(outcome.status, only);
  return {
    status: outcome.status,
    changed: String(typeof outcome.backup === 'string'),
    'drift-count': String(outcome.findings.filter((one) => reaches(one.severity, 'error')).length),
    proved: String(proved),
    'rolled-back': String(outcome.status === 'rolled-back'),
    'exit-code': String(outcome.exitCode),
    'ready-after-ms': ready === undefined ? '' : String(Math.round(ready)),
    fingerprint: (stands && only.fingerprint) || '',
    'env-file': only?.envFile ?? '',
    backup: outcome.backup ?? '',
  };
}

/** The outputs of a command that failed: what was not found out stays empty. */
function outputsOfFailure({ exit }: Failure): Record<string, string> {
  return {
    status: 'error',
    changed: String(exit === Exit.notRestored),
    'drift-count': '',
    proved: 'false',
    'rolled-back': String(exit === Exit.rolledBack),
    'exit-code': String(exit),
    'ready-after-ms': '',
    fingerprint: '',
    'env-file': '',
    backup: '',
  };
}

/** A good run that cannot be told of is a good run all the same. */
const cannotWrite = (what: string) =>
  core.warning(`${what} cannot be written: what the runner names for it is not there, or not writable`);

/** Writes the report beside the runner's other temporary files; gives its path, or nothing where no folder takes it. */
function writeReport(report: string): string | undefined {
  const name = `comfyui-auth-${randomBytes(8).toString('hex')}.json`;
  for (const folder of [process.env.RUNNER_TEMP, tmpdir()]) {
    if (!folder) continue;
    try {
      const path = join(folder, name);
      writeFileSync(path, `${report}\n`, { mode: 0o600, flag: 'wx' });
      return path;
    } catch {
      // The next one.
    }
  }
  cannotWrite('the report');
  return undefined;
}

/** Sets the outputs, and writes the report. Does not throw. */
export function setOutputs(outcome: Outcome | Failure, report: string): void {
  const outputs = outcome instanceof Failure ? outputsOfFailure(outcome) : outputsOf(outcome);
  const path = writeReport(report);
  // Without a file for them nobody waits for outputs.
  if (!process.env.GITHUB_OUTPUT) return;
  try {
    for (const [name, value] of Object.entries({ ...outputs, report: path ?? '' }))
      core.setOutput(name, value);
  } catch {
    cannotWrite('the outputs');
  }
}

const SAY = { notice: core.notice, warning: core.warning, error: core.error };

const properties = ({ title, file, line }: { title?: string; file?: string; line?: number }) => ({
  ...(title !== undefined && { title }),
  ...(file !== undefined && { file }),
  ...(line !== undefined && { startLine: line }),
});

/** One annotation a finding, at its file and line. */
export function annotate(
  { findings, root, layout }: Pick<SummaryShape, 'findings' | 'root' | 'layout'>,
  { cwd, env }: { cwd: string; env: NodeJS.ProcessEnv },
): void {
  for (const one of findings) {
    const annotation = annotationOf(one, { root, layout, cwd, workspace: env.GITHUB_WORKSPACE });
    SAY[annotation.level](annotation.message, properties(annotation));
  }
}

/** Says a failure as an annotation at its file and line; the step fails where it is an error. */
export function annotateFailure(failure: Failure, level: 'warning' | 'error'): void {
  const annotation = failureAnnotation(failure, process.env.GITHUB_WORKSPACE);
  if (level === 'error') process.exitCode = core.ExitCode.Failure;
  SAY[level](annotation.message, properties(annotation));
}

/** Appends to the job summary, where the runner has one. Does not reject. */
export async function writeSummary(text: string): Promise<void> {
  if (!process.env.GITHUB_STEP_SUMMARY) return;
  try {
    await core.summary.addRaw(text).write();
  } catch {
    cannotWrite('the job summary');
  }
}
