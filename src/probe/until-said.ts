import type { ProbeReport } from './check.ts';
import { checkOnce, type ProbeTarget } from './gate.ts';

/** A server that is at work answers late: one answer that says nothing is no verdict. */
const TRIES = 3;
const PAUSE_MS = 200;

/**
 * Asks what a server says to one bearer until the answer says anything, three times at most: `proved` where it is
 * accepted, `refused`, or `open`. Any other status says that it is not known. Throws as `checkOnce` does.
 */
export async function checkUntilSaid(target: ProbeTarget): Promise<ProbeReport> {
  for (let left = TRIES; ; left -= 1) {
    const report = await checkOnce(target);
    const says = report.status === 'proved' || report.status === 'refused' || report.status === 'open';
    if (says || left === 1) return report;
    await target.clock.wait(PAUSE_MS, target.signal);
  }
}
