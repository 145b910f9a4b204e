import type { FindingArgs, FindingCode } from '../model/finding.ts';
import type { CheckId, ProbeFinding } from '../probe/check.ts';
import { type Evidence, seen } from '../report/doctor-evidence.ts';
import { answerFinding, type Facts, failed, publishes, type Step, step } from './doctor-facts.ts';
import { isShut } from './doctor-guard.ts';

/** The finding with which the round ended, where it ended at this check. */
export function endingAt({ server }: Facts, id: CheckId): ProbeFinding | undefined {
  if (server.endedAt !== id) return undefined;
  return server.findings.find((one) => one.code !== 'open-by-suffix');
}

/** The status of the answer to a check, where there was one. */
export const statusOf = (facts: Facts, id: CheckId): FindingArgs => {
  const httpStatus = facts.server.checks.get(id)?.httpStatus;
  return httpStatus === undefined ? {} : { httpStatus };
};

/** Signs that what should answer is still being installed (domain.md I7). */
function installing({ processes, log }: Facts): Evidence | undefined {
  if (processes?.installer !== undefined) {
    return seen('installer-runs', { installer: processes.installer });
  }
  return log?.installing === true ? seen('installer-speaks') : undefined;
}

/** Docker's proxy takes a connection for a container in which nothing listens, and drops it. */
const isDropped = (facts: Facts, { args }: ProbeFinding) =>
  (args.reason === 'ECONNRESET' || args.reason === 'closed') && publishes(facts);

/** What was heard of a server that gave no usable answer. */
function silence(
  facts: Facts,
  ending: ProbeFinding,
): { said: Evidence; code: FindingCode; args: FindingArgs } {
  const { code, args } = ending;
  const reason = String(args.reason ?? 'unknown');
  if (code === 'down') return { said: seen('silence', { reason }), code, args };
  if (isDropped(facts, ending)) {
    return { said: seen('nothing-behind'), code: 'down', args: { reason: 'nothing-behind' } };
  }
  return { said: reason === 'timeout' ? seen('says-nothing') : seen('not-yet', { reason }), code, args };
}

function silentStep(facts: Facts, ending: ProbeFinding): Step {
  const { said, code, args } = silence(facts, ending);
  const busy = installing(facts);
  if (busy !== undefined) {
    return failed('http', answerFinding(facts, 'not-ready', { ...args, reason: 'installing' }), said, busy);
  }
  const unseen =
    facts.container?.status === 'running' && (facts.processes === undefined || facts.log === undefined);
  return failed('http', answerFinding(facts, code, args), said, ...(unseen ? [seen('inside-unseen')] : []));
}

/** What kind of answer comes, if any. */
export function httpStep(facts: Facts): Step {
  const ending = endingAt(facts, 'anonymous');
  const status = statusOf(facts, 'anonymous');
  // The guard itself answers so, and says why.
  if (isShut(facts)) return step('http', 'pass', seen('answers', status));
  if (ending?.code === 'down' || ending?.code === 'not-ready') return silentStep(facts, ending);
  if (ending?.code === 'redirected') {
    return failed('http', answerFinding(facts, 'redirected', ending.args), seen('redirected', ending.args));
  }
  if (ending?.code === 'not-comfyui' || ending?.args.comfyui === false) {
    return failed('http', answerFinding(facts, 'not-comfyui', status), seen('foreign', status));
  }
  const older = status.httpStatus === 302 ? [seen('older-node')] : [];
  return step('http', 'pass', seen('answers', status), ...older);
}
