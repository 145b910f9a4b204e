import type { Finding } from '../model/finding.ts';
import { type CheckShape, checkLines, type FilesShape, fileLines, recoveredLines } from './results.ts';
import { findingsText, styled, type TextOptions } from './text.ts';

/** How a service was made to read its files. */
interface RenewalShape {
  restart: { driver: string; action: string };
  readyAfterMs?: number;
  rolledBack: boolean;
}

/** What `deploy` gives, as far as words need it. */
interface DeployShape {
  status: string;
  services: readonly (FilesShape &
    RenewalShape & {
      name: string;
      url: string;
      checks: readonly CheckShape[];
    })[];
  findings: readonly Finding[];
  backup: string | null;
  recovered?: { action: string; command: string };
}

const RESTARTED: Readonly<Record<string, string>> = {
  recreate: 'its container was made anew',
  restart: 'it was restarted',
  reload: 'reloaded live, without a restart',
  none: 'it was not restarted',
};

const TO_RESTART: Readonly<Record<string, string>> = {
  recreate: 'its container would be made anew',
  restart: 'it would be restarted',
  reload: 'it would be reloaded live, without a restart',
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

/** What was done to a service, or would be, and whether it gave its proof then. */
export function renewalText({ restart, readyAfterMs, rolledBack }: RenewalShape, status: string): string {
  const said = (status === 'planned' ? TO_RESTART : RESTARTED)[restart.action] ?? restart.action;
  const after = readyAfterMs === undefined ? '' : `, proven after ${(readyAfterMs / 1000).toFixed(1)} s`;
  return `${rolledBack ? 'back on its old files; ' : ''}${said}${after}`;
}

/** How a deploy ended. */
export function endText({ status, backup }: { status: string; backup?: string | null }): string {
  const kept = typeof backup === 'string' ? `; the old files are kept as ${backup}` : '';
  return status === 'deployed' ? `deployed and proven${kept}` : (ENDS[status] ?? status);
}

/** `deploy` as people read it: files, restart and proof of each service, then how it ended. */
export function deployText(result: DeployShape, options: TextOptions): string[] {
  const lines = recoveredLines(result.recovered);
  for (const service of result.status === 'refused' ? [] : result.services) {
    const { name, url, checks } = service;
    lines.push(`${styled('bold', name, options)}  ${url}`, ...fileLines(service, options));
    lines.push(`  ${renewalText(service, result.status)}`, ...checkLines(checks, options), '');
  }
  const good = ['deployed', 'unchanged', 'planned'].includes(result.status);
  lines.push(...findingsText(result.findings, options));
  lines.push(styled(good ? 'green' : 'red', endText(result), options));
  return lines;
}
