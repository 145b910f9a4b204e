import type { FindingCode } from '../model/finding.ts';
import { fingerprint } from '../model/secret.ts';
import type { CheckId, ProbeFinding } from '../probe/check.ts';
import { type Evidence, seen } from '../report/doctor-evidence.ts';
import { answerFinding, type Facts, failed, type Step, type StepId, step } from './doctor-facts.ts';
import { guardStep, isShut } from './doctor-guard.ts';
import { endingAt, httpStep, statusOf } from './doctor-http.ts';

const checkOf = ({ server }: Facts, id: CheckId) => server.checks.get(id);

const findingOf = ({ server }: Facts, code: FindingCode) => server.findings.find((one) => one.code === code);

/** Why an open server has no login. */
function nodeStep(facts: Facts): Step {
  const { log, server } = facts;
  const { loginImport } = log ?? {};
  const page = statusOf(facts, 'login-page');
  if (server.loginPage !== true && loginImport === undefined) {
    const found = answerFinding(facts, 'login-node-missing', page);
    return failed('login-node', found, seen('no-login-page', page));
  }
  const { module, fault } = loginImport ?? {};
  const reason = module === undefined ? fault : 'module';
  const args = { ...(reason !== undefined && { reason }), ...(module !== undefined && { module }) };
  return failed(
    'login-node',
    answerFinding(facts, 'login-node-broken', args),
    ...(server.loginPage === true ? [seen('login-page-idle')] : [seen('no-login-page', page)]),
    ...(loginImport === undefined ? [] : [seen('import-failed')]),
    ...(module === undefined ? [] : [seen('lacks-module', { module })]),
  );
}

function loginNodeStep(facts: Facts): Step {
  if (checkOf(facts, 'anonymous')?.verdict === 'fail') return nodeStep(facts);
  if (facts.server.loginPage === true) return step('login-node', 'pass', seen('login-page'));
  const page = statusOf(facts, 'login-page');
  if (page.httpStatus === undefined) {
    return step('login-node', 'unknown', seen('unanswered', { reason: 'login-page' }));
  }
  const foreign = findingOf(facts, 'not-comfyui') ?? findingOf(facts, 'redirected');
  return {
    ...step('login-node', 'unknown', seen('no-login-page', page)),
    findings: foreign === undefined ? [] : [answerFinding(facts, foreign.code, foreign.args)],
  };
}

function protectedStep(facts: Facts): Step {
  const status = statusOf(facts, 'anonymous');
  const open = endingAt(facts, 'anonymous');
  if (open !== undefined) {
    return failed('protected', answerFinding(facts, open.code, open.args), seen('open-without', status));
  }
  const refused = seen('refused-without', status);
  const random = checkOf(facts, 'wrong-bearer');
  if (random?.verdict === 'pass') return step('protected', 'pass', refused, seen('random-refused'));
  const accepted = endingAt(facts, 'wrong-bearer');
  if (accepted === undefined) return step('protected', 'pass', refused);
  return endedStep(facts, 'protected', accepted, refused, seen('random-accepted'));
}

/** A step for a check at which the round ended: it failed, or the server gave no usable answer any more. */
function endedStep(facts: Facts, id: StepId, ending: ProbeFinding, ...evidence: Evidence[]): Step {
  if (ending.code !== 'down' && ending.code !== 'not-ready') {
    return failed(id, answerFinding(facts, ending.code, ending.args), ...evidence);
  }
  const reason = String(ending.args.reason ?? ending.code);
  const found = answerFinding(facts, ending.code, ending.args);
  return { ...step(id, 'unknown', seen('unanswered', { reason })), findings: [found] };
}

/** Empty token and suffix canary: what must be refused. */
function holeStep(facts: Facts, id: 'empty-token' | 'suffix', code: FindingCode): Step {
  const check = checkOf(facts, id);
  const status = statusOf(facts, id);
  const found = findingOf(facts, code);
  if (check?.verdict === 'pass') return step(id, 'pass', seen('refused', status));
  if (found !== undefined) return failed(id, answerFinding(facts, code, found.args), seen('open', status));
  const ending = endingAt(facts, id);
  if (ending !== undefined) return endedStep(facts, id, ending, seen('foreign', status));
  if (check?.verdict !== 'unknown') return step(id, 'skip', seen('not-asked'));
  return step(id, 'unknown', seen('unanswered', { reason: check.detail ?? status.httpStatus ?? 'none' }));
}

function bearerStep(facts: Facts): Step {
  const { bearer } = facts.resolution;
  if (bearer === undefined) {
    return failed('bearer', answerFinding(facts, 'credential-unknown'), seen('bearer-unknown'));
  }
  const name = { fingerprint: fingerprint(bearer) };
  const status = statusOf(facts, 'bearer');
  const check = checkOf(facts, 'bearer');
  if (check?.verdict === 'pass') return step('bearer', 'pass', seen('accepted', name));
  const ending = endingAt(facts, 'bearer');
  if (ending === undefined) return step('bearer', 'skip', seen('not-asked'));
  const { code, args } = ending;
  if (code === 'origin-required') {
    // The bearer itself is right: what is missing is for the step about the origin to say.
    return step('bearer', 'pass', seen('accepted-with-origin', { ...name, origin: args.origin ?? '' }));
  }
  if (code === 'header-malformed') {
    const said = args.sent === false ? 'bearer-unsendable' : 'bearer-500';
    return failed('bearer', answerFinding(facts, code, args), seen(said));
  }
  const said = code === 'bearer-refused' ? seen('bearer-refused', { ...name, ...status }) : undefined;
  return endedStep(facts, 'bearer', ending, said ?? seen('foreign', status));
}

const PAGE_SAYS = {
  'first-visit': 'first-visit',
  'password-file-malformed': 'page-without-name',
} as const;

function formStep(facts: Facts): Step {
  for (const code of ['first-visit', 'password-file-malformed'] as const) {
    const found = findingOf(facts, code);
    if (found !== undefined)
      return failed('form', answerFinding(facts, code, found.args), seen(PAGE_SAYS[code]));
  }
  const wrong = checkOf(facts, 'wrong-password');
  if (wrong?.verdict === 'fail') {
    const found = answerFinding(facts, 'open', { by: 'wrong-password' });
    return failed('form', found, seen('wrong-password-accepted'));
  }
  const ending = endingAt(facts, 'password') ?? endingAt(facts, 'wrong-password');
  if (ending !== undefined) return endedStep(facts, 'form', ending, seen('password-refused'));
  if (checkOf(facts, 'password')?.verdict === 'pass') return step('form', 'pass', seen('form-both'));
  return step('form', 'skip', seen(wrong?.verdict === 'pass' ? 'password-unknown' : 'not-posted'));
}

function guestStep(facts: Facts): Step {
  const found = findingOf(facts, 'guest-mode-on');
  if (found !== undefined) return failed('guest', answerFinding(facts, 'guest-mode-on'), seen('guests'));
  if (facts.server.loginPage === true) return step('guest', 'pass', seen('no-guests'));
  return step('guest', 'skip', seen('not-asked'));
}

function originStep(facts: Facts): Step {
  const needed = findingOf(facts, 'origin-required');
  const { origin } = facts.service;
  if (needed !== undefined) {
    return {
      ...failed(
        'origin',
        answerFinding(facts, 'origin-required', needed.args),
        seen('origin-needed', needed.args),
      ),
      explainsRefusal: true,
    };
  }
  const check = checkOf(facts, 'bearer');
  if (check?.verdict === 'pass') {
    return step(
      'origin',
      'pass',
      origin === undefined ? seen('origin-free') : seen('origin-sent', { origin }),
    );
  }
  const refused = findingOf(facts, 'bearer-refused') !== undefined;
  return step('origin', refused ? 'pass' : 'skip', seen(refused ? 'origin-no-help' : 'not-asked'));
}

const AFTER_HTTP: readonly StepId[] = [
  'login-node',
  'protected',
  'empty-token',
  'suffix',
  'bearer',
  'form',
  'guest',
  'origin',
];

/** From the class of the answers to the origin: what the server lets in, and what it keeps out. */
export function answerSteps(facts: Facts): Step[] {
  const http = httpStep(facts);
  if (http.verdict === 'fail') {
    // Whoever lets everyone in is open, even where it is hardly ComfyUI.
    const isOpen = facts.server.status === 'open';
    const unasked = (id: StepId) =>
      id === 'protected' && isOpen ? protectedStep(facts) : step(id, 'skip', seen('no-answer'));
    return [http, step('guard', 'skip', seen('no-answer')), ...AFTER_HTTP.map(unasked)];
  }
  const guard = guardStep(facts);
  if (isShut(facts)) return [http, guard, ...AFTER_HTTP.map((id) => step(id, 'skip', seen('shut')))];
  return [
    http,
    guard,
    loginNodeStep(facts),
    protectedStep(facts),
    holeStep(facts, 'empty-token', 'open-by-empty-token'),
    holeStep(facts, 'suffix', 'open-by-suffix'),
    bearerStep(facts),
    formStep(facts),
    guestStep(facts),
    originStep(facts),
  ];
}
