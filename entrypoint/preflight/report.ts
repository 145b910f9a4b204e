import { ContainerExit } from '../exit.ts';
import type { Log } from '../log.ts';
import type { PreflightResult } from './check.ts';
import { firstRefusal } from './run-checks.ts';

/** The exit code of the command `preflight`: that of the first `error` that failed, else 0. */
export const preflightExit = (results: readonly PreflightResult[]): number =>
  firstRefusal(results)?.exit ?? ContainerExit.stopped;

/** One event for each warning that failed; what else was found is for the command `preflight`. */
export function tellPreflight(log: Log, results: readonly PreflightResult[]): void {
  for (const { id, severity, verdict, message, remedy = '' } of results) {
    if (severity !== 'warning' || verdict !== 'fail') continue;
    log.warning('preflight', `${id}: ${message}. Remedy: ${remedy}.`, { id, remedy });
  }
}

/** The results as a table for people, one check a line, a remedy below each that failed. */
export function preflightText(results: readonly PreflightResult[]): string {
  const width = Math.max(0, ...results.map(({ id }) => id.length));
  const lines = results.flatMap(({ id, severity, verdict, message, remedy }) => {
    const word = verdict === 'fail' ? severity : verdict;
    const line = `${word.padEnd(8)} ${id.padEnd(width)}  ${message}`;
    return verdict === 'fail' && remedy !== undefined
      ? [line, `${' '.repeat(width + 11)}remedy: ${remedy}`]
      : [line];
  });
  return `${[...lines, '', summary(results)].join('\n')}\n`;
}

function summary(results: readonly PreflightResult[]): string {
  const failed = (severity: string) =>
    results.filter((result) => result.verdict === 'fail' && result.severity === severity).length;
  const unknown = results.filter(({ verdict }) => verdict === 'unknown').length;
  const counts = [
    `${results.length} checks`,
    `errors ${failed('error')}`,
    `warnings ${failed('warning')}`,
    `unknown ${unknown}`,
  ];
  return `${counts.join(', ')}; exit ${preflightExit(results)}`;
}

/** The results for scripts: one object on one line. */
export function preflightJson(results: readonly PreflightResult[]): string {
  const checks = results.map(({ id, severity, verdict, message, remedy, exit, code }) => ({
    id,
    severity,
    verdict,
    message,
    ...(remedy !== undefined && { remedy }),
    ...(exit !== undefined && { exit }),
    ...(code !== undefined && { code }),
  }));
  return `${JSON.stringify({ v: 1, checks, exitCode: preflightExit(results) })}\n`;
}
