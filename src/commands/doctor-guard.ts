import { fingerprint } from '../model/secret.ts';
import { type Evidence, seen } from '../report/doctor-evidence.ts';
import { answerFinding, type Facts, failed, type Step, step } from './doctor-facts.ts';

/** Whether the guard says that it lets nobody in. */
export const isShut = ({ guard }: Facts): boolean => guard.guard === 'present' && guard.closed !== undefined;

/** The bearer that is live beside that of the files; an old one can hold on for a while after a reload. */
function againstFiles(credential: string, { resolution }: Facts): Evidence[] {
  if (resolution.bearer === undefined) return [];
  const expected = fingerprint(resolution.bearer);
  const args = { found: credential, expected };
  return [seen(credential === expected ? 'guard-agrees' : 'guard-differs', args)];
}

/** Whether the guard runs in the server. Without it nothing is wrong: what it would close is found by its own step. */
export function guardStep(facts: Facts): Step {
  const { guard } = facts;
  if (guard.guard === 'absent') return step('guard', 'skip', seen('no-guard'));
  if (guard.guard === 'unknown') {
    return step('guard', 'skip', seen(guard.answers === true ? 'guard-stranger' : 'guard-unknown'));
  }
  const { version, reload, credential, closed } = guard;
  const evidence = [
    seen('guard', { version }),
    seen(reload ? 'guard-reloads' : 'guard-restarts'),
    ...againstFiles(credential, facts),
  ];
  if (closed === undefined) return step('guard', 'pass', ...evidence);
  const found = answerFinding(facts, 'guard-closed', { reason: closed });
  return failed('guard', found, ...evidence, seen('guard-shut', { reason: closed }));
}
