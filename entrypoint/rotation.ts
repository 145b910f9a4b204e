import type { Secret } from '../src/model/secret.ts';
import type { ProbeReport } from '../src/probe/check.ts';
import type { ProbeTarget } from '../src/probe/gate.ts';
import type { GuardReload } from '../src/probe/guard.ts';
import { checkUntilSaid } from '../src/probe/until-said.ts';
import type { BootCredential } from './credential.ts';
import type { Reason } from './reload-reasons.ts';

/** Another credential that the guard says it has taken. */
export interface Rotation {
  boot: BootCredential;
  /** The bearer of before. */
  old: Secret;
  done: GuardReload;
  startedMs: number;
}

/**
 * Proves that the new one is taken, and the old one no longer, unless the guard was told to let it. Gives `proved` where
 * both is known, the other report where the server is open or does not tell, and why it has to be restarted.
 */
export async function proveRotation(
  { boot, old, done }: Rotation,
  target: ProbeTarget,
): Promise<ProbeReport | Reason> {
  const report = await checkUntilSaid(target);
  if (report.status === 'refused') return 'unproven';
  if (report.status !== 'proved' || !mustBeRefused(done, old, boot.credential.bearer)) return report;
  const after = await checkUntilSaid({ ...target, credential: { ...target.credential, bearer: old } });
  if (after.status === 'refused') return report;
  return after.status === 'proved' ? 'old-accepted' : after;
}

/** Where somebody else let the guard read PASSWORD, nobody has told us of a grace. */
const mustBeRefused = (done: GuardReload, old: Secret, bearer: Secret): boolean =>
  done.result === 'reloaded' && done.graceSeconds === 0 && !old.equals(bearer);
