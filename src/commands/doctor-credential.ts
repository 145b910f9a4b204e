import { isBcryptHash } from '../model/bcrypt.ts';
import type { FindingArgs } from '../model/finding.ts';
import { fingerprint } from '../model/secret.ts';
import { type Evidence, seen } from '../report/doctor-evidence.ts';
import {
  answerFinding,
  containerFinding,
  type Facts,
  failed,
  onContainer,
  type Step,
  step,
} from './doctor-facts.ts';
import { compareEnvironment, partOf } from './live-environment.ts';
import { bearerIn } from './live-password.ts';

/** The container's environment against the files: `restart` reads neither `.env` nor compose file again. */
export const environmentStep = (facts: Facts): Step =>
  onContainer('environment', facts, (container) => {
    const { service, observations, resolution } = facts;
    const compared = compareEnvironment(service, container, observations, resolution);
    if (compared.kind !== 'compared') {
      const lacks = compared.kind === 'no-file';
      return step('environment', lacks ? 'skip' : 'unknown', seen(lacks ? 'no-env-file' : 'env-file-unread'));
    }
    const { shared, differing, mangled, findings } = compared;
    if (shared.length === 0) return step('environment', 'skip', seen('env-nothing-shared'));
    if (findings.length === 0)
      return step('environment', 'pass', seen('env-agrees', { count: shared.length }));
    // Another HF_TOKEN keeps nobody out.
    const explains = [...differing, ...mangled].some((key) => partOf(key, service.env) !== undefined);
    return {
      ...step(
        'environment',
        'fail',
        ...(differing.length === 0 ? [] : [seen('env-differs', { keys: differing.join(', ') })]),
        ...(mangled.length === 0 ? [] : [seen('env-mangled', { keys: mangled.join(', ') })]),
      ),
      findings,
      ...(explains && { explainsRefusal: true as const }),
    };
  });

/** Whether PASSWORD is known to hold another bearer than the expected one; undefined where that is not known. */
function holdsAnother({ password, resolution }: Facts): boolean | undefined {
  const held = bearerIn(password);
  if (held === undefined || resolution.bearer === undefined) return undefined;
  return !held.equals(resolution.bearer);
}

const isRefused = ({ server }: Facts) => server.findings.some((one) => one.code === 'bearer-refused');

/** The guard, which reads PASSWORD again when it is asked, and does not know the bearer that stands there. */
function unreadStep(facts: Facts): Step | undefined {
  const { guard, password, resolution } = facts;
  const isThere = guard.guard === 'unknown' && guard.answers === true;
  if (!isThere || !isRefused(facts) || password === undefined || holdsAnother(facts) !== false)
    return undefined;
  const found = containerFinding(facts, 'stale-process', { guard: true }, password.place);
  const name = resolution.bearer === undefined ? '' : fingerprint(resolution.bearer);
  return {
    ...failed('process', found, seen('guard-unread', { path: password.place.path, found: name })),
    explainsRefusal: true,
  };
}

/** The process against its PASSWORD file: the bearer is read once, at the start. */
export const processStep = (facts: Facts): Step => unreadStep(facts) ?? ageStep(facts);

const ageStep = (facts: Facts): Step =>
  onContainer('process', facts, ({ status, startedAt, name }) => {
    if (status !== 'running') return step('process', 'skip', seen('not-running'));
    const { password, processes, server } = facts;
    const changed = password?.changedAt;
    if (changed === undefined) return step('process', 'skip', seen('no-password-file'));
    // An entrypoint may write PASSWORD before it starts ComfyUI: then the container is the older one, and no fault.
    const since = [startedAt, processes?.comfyuiSince].filter((one) => one !== undefined);
    const started = since.sort((a, b) => b.getTime() - a.getTime())[0];
    if (started === undefined) return step('process', 'unknown', seen('start-unknown'));
    const at = started.toISOString();
    if (started >= changed) return step('process', 'pass', seen('younger', { at }));
    const older = seen('older', { at, changed: changed.toISOString() });
    if (server.checks.get('bearer')?.verdict === 'pass') {
      return step('process', 'pass', older, seen('older-accepts'));
    }
    // A file that holds another bearer is at fault itself, however old the process.
    if (!isRefused(facts) || holdsAnother(facts) === true) return step('process', 'unknown', older);
    const place = password?.place ?? { path: name, kind: 'container' as const };
    return {
      ...failed('process', containerFinding(facts, 'stale-process', {}, place), older),
      explainsRefusal: true,
    };
  });

/**
 * A refused bearer where PASSWORD holds another one, and a refused password where a blank or a carriage return stands
 * behind the hash: the server does what its file says, and the file is at fault.
 */
export function withPassword(facts: Facts, asked: Step): Step {
  const { password, resolution } = facts;
  if (password === undefined || asked.verdict !== 'fail') return asked;
  const { content, place } = password;
  const [code] = asked.findings.map((one) => one.code);
  if (code === 'bearer-refused' && holdsAnother(facts) === true) {
    const held = bearerIn(password);
    const expected = resolution.bearer === undefined ? {} : { expected: fingerprint(resolution.bearer) };
    const shaped = held !== undefined && isBcryptHash(held.reveal());
    const found: FindingArgs = shaped ? { found: fingerprint(held) } : {};
    const args = { reason: 'other-lineage', where: place.path, ...found, ...expected };
    const says: Evidence = seen('password-holds', {
      path: place.path,
      found: found.found ?? 'no bcrypt hash',
    });
    return failed('bearer', answerFinding(facts, 'bearer-refused', args), ...asked.evidence, says);
  }
  const fault = content === undefined || content === 'missing' ? undefined : content.fault;
  if (code === 'password-refused' && fault !== undefined) {
    const found = containerFinding(facts, 'password-file-malformed', { hint: fault }, place);
    return failed('form', found, ...asked.evidence);
  }
  return asked;
}
