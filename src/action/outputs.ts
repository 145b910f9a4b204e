import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as core from '@actions/core';
import { Exit, type ExitCode, Failure } from '../model/failure.ts';
import { type Finding, reaches } from '../model/finding.ts';
import { annotationOf, type SummaryShape, type Whereabouts } from '../report/github.ts';

/** What outputs are made of, whatever the command was. */
export interface Outcome extends SummaryShape {
  exitCode: ExitCode;
  backup?: string | null;
}

/** Every output of action.yml that this outcome has. */
function outputsOf(outcome: Outcome): Record<string, string> {
  const [service, ...others] = outcome.services;
  const only = others.length === 0 ? service : undefined;
  return {
    status: outcome.status,
    changed: String(outcome.status === 'changed'),
    'drift-count': String(outcome.findings.filter((one) => reaches(one.severity, 'error')).length),
    proved: String(outcome.status === 'proved'),
    'exit-code': String(outcome.exitCode),
    'ready-after-ms': only?.readyAfterMs === undefined ? '' : String(Math.round(only.readyAfterMs)),
    fingerprint: only?.fingerprint ?? '',
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
    'exit-code': String(exit),
    'ready-after-ms': '',
    fingerprint: '',
    'env-file': '',
    backup: '',
  };
}

/** Sets the outputs, and writes the report beside the runner's other temporary files. */
export function setOutputs(outcome: Outcome | Failure, report: string): void {
  const outputs = outcome instanceof Failure ? outputsOfFailure(outcome) : outputsOf(outcome);
  for (const [name, value] of Object.entries(outputs)) core.setOutput(name, value);
  const path = join(
    process.env.RUNNER_TEMP || tmpdir(),
    `comfyui-auth-${randomBytes(8).toString('hex')}.json`,
  );
  writeFileSync(path, `${report}\n`, { mode: 0o600, flag: 'wx' });
  core.setOutput('report', path);
}

const SAY = { notice: core.notice, warning: core.warning, error: core.error };

/** One annotation a finding, at its file and line. */
export function annotate(findings: readonly Finding[], where: Whereabouts): void {
  for (const one of findings) {
    const { level, title, message, file, line } = annotationOf(one, where);
    SAY[level](message, {
      title,
      ...(file !== undefined && { file }),
      ...(line !== undefined && { startLine: line }),
    });
  }
}

/** Appends to the job summary, where the runner has one. */
export async function writeSummary(text: string): Promise<void> {
  if (!process.env.GITHUB_STEP_SUMMARY) return;
  await core.summary.addRaw(text).write();
}
