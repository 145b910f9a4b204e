import type { Finding } from '../model/finding.ts';
import { type CheckShape, checkLines, stateWord } from './results.ts';
import { findingsText, styled, type TextOptions } from './text.ts';

type GuardShape =
  | { present: true; version: string; reload: boolean; closed?: string }
  | { present: false }
  | null;

interface ProbeShape {
  services: readonly {
    name: string;
    url: string;
    status: string;
    checks: readonly CheckShape[];
    readyAfterMs?: number;
    guard: GuardShape;
  }[];
  findings: readonly Finding[];
}

/** Whether the guard runs in a server, as a line. */
function guardLine(guard: GuardShape): string {
  if (guard === null) return '  whether a guard is there is not known';
  if (!guard.present) return '  no guard is there';
  const { version, reload, closed } = guard;
  const how = closed === undefined ? '' : ', and lets nobody in';
  return `  guard ${version}${reload ? ', reloads without a restart' : ', reloads by a restart alone'}${how}`;
}

/** `probe` as people read it: each check with its verdict. */
export function probeText(result: ProbeShape, options: TextOptions): string[] {
  const lines = result.services.flatMap(({ name, url, status, checks, readyAfterMs, guard }) => {
    const after = readyAfterMs === undefined ? '' : ` after ${(readyAfterMs / 1000).toFixed(1)} s`;
    return [
      `${styled('bold', name, options)}  ${url}  ${stateWord(status, 0, options)}${after}`,
      ...checkLines(checks, options),
      guardLine(guard),
      '',
    ];
  });
  return [...lines, ...findingsText(result.findings, options)];
}
