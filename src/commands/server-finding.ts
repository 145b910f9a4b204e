import { type Finding, type FindingArgs, type FindingCode, finding } from '../model/finding.ts';
import type { RestartDriver, ServiceLayout } from '../model/layout.ts';
import type { GuardReport } from '../probe/guard.ts';
import { printable, shellWord } from '../report/place.ts';

/** By what a service is ended or looked into, so that a remedy can name the command. */
export function driverArgs(restart: RestartDriver): FindingArgs {
  if (restart.driver === 'compose') return { compose: restart.file, unit: restart.service };
  const stop = restart.driver === 'command' ? restart.stop : undefined;
  const words = stop?.map((one) => shellWord(printable(one))).join(' ');
  return { driver: restart.driver, ...(words !== undefined && { stop: words }) };
}

/** A finding on the server of a service, which answers at `url`; the guard, where it runs there, was to close the suffix hole. */
export function serverFinding(
  { name, restart }: ServiceLayout,
  url: string,
  code: FindingCode,
  args: FindingArgs = {},
  guard?: GuardReport,
): Finding {
  const isGrave = code === 'open-by-suffix' && guard?.guard === 'present';
  const location = { path: url, kind: 'server' as const };
  return finding(code, {
    service: name,
    location,
    args: { ...args, ...driverArgs(restart) },
    ...(isGrave && { severity: 'critical' as const }),
  });
}
