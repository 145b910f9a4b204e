import type { Finding } from '../model/finding.ts';
import { type CheckShape, checkLines, type FilesShape, fileLines, recoveredLines } from './results.ts';
import { findingsText, styled, type TextOptions } from './text.ts';

/** What `deploy` gives, as far as words need it. */
interface DeployShape {
  status: string;
  services: readonly (FilesShape & {
    name: string;
    url: string;
    restart: { driver: string; action: string };
    checks: readonly CheckShape[];
    readyAfterMs?: number;
    rolledBack: boolean;
  })[];
  findings: readonly Finding[];
  backup: string | null;
  recovered?: { action: string; command: string };
}

const RESTARTED: Readonly<Record<string, string>> = {
  recreate: 'its container was made anew',
  restart: 'it was restarted',
  none: 'it was not restarted',
};

const TO_RESTART: Readonly<Record<string, string>> = {
  recreate: 'its container would be made anew',
  restart: 'it would be restarted',
  none: 'it would not be restarted',
};

const ENDS: Readonly<Record<string, string>> = {
  unchanged: 'unchanged: every location holds the credential, and the server has proven it',
  'rolled-back': 'ROLLED BACK: every file is as it was, and the services are as before',
  stopped: 'STOPPED: what could not be proven does not run; every file is as it was',
  failed: 'FAILED: not every service is proven; every file is as it was',
  refused: 'refused: nothing was written',
  planned: 'planned: nothing was written, nothing restarted',
};

/** `deploy` as people read it: files, restart and proof of each service, then how it ended. */
export function deployText(result: DeployShape, options: TextOptions): string[] {
  const lines = recoveredLines(result.recovered);
  const said = result.status === 'planned' ? TO_RESTART : RESTARTED;
  for (const service of result.status === 'refused' ? [] : result.services) {
    const { name, url, restart, checks, readyAfterMs, rolledBack } = service;
    const after = readyAfterMs === undefined ? '' : `, proven after ${(readyAfterMs / 1000).toFixed(1)} s`;
    const whence = rolledBack ? 'back on its old files; ' : '';
    lines.push(`${styled('bold', name, options)}  ${url}`, ...fileLines(service, options));
    lines.push(
      `  ${whence}${said[restart.action] ?? restart.action}${after}`,
      ...checkLines(checks, options),
      '',
    );
  }
  const kept = result.backup === null ? '' : `; the old files are kept as ${result.backup}`;
  const end = result.status === 'deployed' ? `deployed and proven${kept}` : ENDS[result.status];
  const good = ['deployed', 'unchanged', 'planned'].includes(result.status);
  lines.push(...findingsText(result.findings, options));
  lines.push(styled(good ? 'green' : 'red', end ?? result.status, options));
  return lines;
}
