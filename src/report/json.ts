import type { ExitCode, Failure } from '../model/failure.ts';
import type { Finding } from '../model/finding.ts';
import { wordsOf } from './messages.ts';

interface ResultShape {
  findings: readonly Finding[];
  root: string;
  layout?: string;
  exitCode: ExitCode;
}

/** The one JSON object of a command (contract.md, JSON): its result with the findings in words and the time it took. */
export function resultJson(result: ResultShape, durationMs: number, cwd: string): string {
  const { root, layout } = result;
  const findings = result.findings.map((one) => ({ ...one, ...wordsOf(one, { root, layout, cwd }) }));
  return JSON.stringify({ ...result, findings, durationMs: Math.round(durationMs) });
}

/** The one JSON object of a command that failed. */
export function failureJson(command: string, failure: Failure, durationMs: number): string {
  const { code, message, remedy, location, exit } = failure;
  return JSON.stringify({
    command,
    status: 'error',
    exitCode: exit,
    error: { code, message, ...(location !== undefined && { location }), remedy },
    services: [],
    findings: [],
    durationMs: Math.round(durationMs),
  });
}
