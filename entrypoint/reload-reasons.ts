import { fingerprint, type Secret } from '../src/model/secret.ts';
import type { GuardReload } from '../src/probe/guard.ts';

/** Why ComfyUI has to be restarted for another credential, in words for the log. */
export const WHY = {
  absent: 'ComfyUI runs without the guard',
  unsupported: 'the guard cannot exchange the credential of this login node',
  unknown: 'the guard did not answer',
  refused: 'the guard refused it',
  other: 'the guard took another one',
  unproven: 'the proof with it did not hold',
  'old-accepted': 'the old bearer was still accepted',
} as const;

export type Reason = keyof typeof WHY;

/** Why what the guard said is no success; undefined where it is one. */
export function faultOf(done: GuardReload, bearer: Secret): Reason | undefined {
  if (done.result !== 'reloaded' && done.result !== 'unchanged') return done.result;
  return done.credential === fingerprint(bearer) ? undefined : 'other';
}
