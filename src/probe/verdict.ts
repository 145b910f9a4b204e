import type { FindingArgs, FindingCode } from '../model/finding.ts';
import type { Address } from './address.ts';
import type { CheckVerdict, ProbeFinding, ProbeStatus } from './check.ts';
import type { Answer } from './request.ts';

export type Settled = 'now' | 'if-repeated';

/** What one answer means: for its check, and for the round that it belongs to. */
export interface Judgement {
  verdict: CheckVerdict;
  /** What the round is where it ends here; `proved` lets it go on. */
  means: ProbeStatus;
  /** Whether asking again cannot make it better: for certain, or where the next round says the same. */
  settled?: Settled;
  detail?: string;
  finding?: ProbeFinding;
  /** The server wants to be left alone for this long. */
  retryAfterMs?: number;
  /** Nothing listens, or nothing behind what does: a published port of a container that still starts. */
  absent?: true;
}

type Reply = Extract<Answer, { kind: 'reply' }>;
type Silence = Extract<Answer, { kind: 'silence' }>;

/** A guard that asks for more is asked again all the same: nobody holds a gate shut by a header. */
const LONGEST_RETRY_AFTER_MS = 60_000;

const good: Judgement = { verdict: 'pass', means: 'proved' };

function fault(
  verdict: CheckVerdict,
  means: ProbeStatus,
  code: FindingCode,
  args: FindingArgs = {},
  more: Pick<Judgement, 'settled' | 'detail' | 'retryAfterMs'> = {},
): Judgement {
  return { verdict, means, finding: { code, args }, ...more };
}

const openBy = (code: FindingCode, args: FindingArgs = {}) => fault('fail', 'open', code, args);

const refusedBy = (code: FindingCode, args: FindingArgs = {}) =>
  fault('fail', 'refused', code, args, { settled: 'if-repeated' });

const notReady = (reason: string, args: FindingArgs = {}) =>
  fault('unknown', 'not-ready', 'not-ready', { reason, ...args }, { detail: reason });

const isSuccess = (reply: Reply) => reply.status >= 200 && reply.status < 300;

const target = (reply: Reply, address: Address) =>
  reply.status >= 300 && reply.status < 400 ? address.resolve(reply.headers.location) : undefined;

/** No headers came: nothing listens, or something does and says nothing. */
function silent(silence: Silence): Judgement {
  const { code, connected } = silence;
  // What resets a connection has had one, whether it was seen to be there or not.
  const reset = code === 'ECONNRESET' || code === 'EPIPE';
  const absent = (code === 'ECONNREFUSED' || reset) && { absent: true as const };
  if (connected || reset) return { ...notReady(code), ...absent };
  return { ...fault('unknown', 'down', 'down', { reason: code }, { detail: code }), ...absent };
}

/** A broken answer, 5xx and "too many" are "not yet", never "closed". */
function unfinished(reply: Reply): Judgement | undefined {
  if (reply.status >= 500) return notReady('server-error', { httpStatus: reply.status });
  if (reply.status === 429) {
    const seconds = Number(reply.headers['retry-after']);
    const wait = seconds > 0 ? { retryAfterMs: Math.min(seconds * 1000, LONGEST_RETRY_AFTER_MS) } : {};
    return { ...notReady('throttled', { httpStatus: 429 }), ...wait };
  }
  return reply.end === 'timeout' || reply.end === 'reset' ? notReady(reply.end) : undefined;
}

/** Leaves to `judge` only an answer that came, and came whole. */
function onReply(answer: Answer, judge: (reply: Reply) => Judgement): Judgement {
  if (answer.kind === 'silence') return silent(answer);
  return unfinished(answer) ?? judge(answer);
}

/** An answer that neither lets in nor keeps out as ComfyUI-Login would. */
function foreign(reply: Reply, address: Address): Judgement {
  const to = target(reply, address);
  if (to !== undefined) {
    return fault(
      'unknown',
      'unknown',
      'redirected',
      { to: to.origin, httpStatus: reply.status },
      { settled: 'if-repeated' },
    );
  }
  // A 404 may be a proxy that does not know its backend yet; a page in place of the data stays one.
  return fault(
    'unknown',
    'unknown',
    'not-comfyui',
    { httpStatus: reply.status },
    isSuccess(reply) ? { settled: 'if-repeated' } : {},
  );
}

/** Closed is 401, 403 or 302 to `/login` (reliability.md §3). */
function isClosed(reply: Reply, address: Address): boolean {
  if (reply.status === 401 || reply.status === 403) return true;
  const to = reply.status === 302 ? target(reply, address) : undefined;
  return to !== undefined && address.is(to, '/login');
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** What ComfyUI says of itself: the newer ones their own version, the older ones at least Python's. */
const names = (system: Record<string, unknown>) =>
  [system.comfyui_version, system.pytorch_version, system.python_version].some(
    (one) => typeof one === 'string',
  );

function isSystemStats(body: string): boolean {
  try {
    const stats: unknown = JSON.parse(body);
    if (!isRecord(stats) || !isRecord(stats.system) || !Array.isArray(stats.devices)) return false;
    return names(stats.system) && stats.devices.every(isRecord);
  } catch {
    return false;
  }
}

/** ① – ③: a request that must be refused. `code` names the hole where it is not, however the answer ends. */
export function judgeRefusal(answer: Answer, address: Address, code: FindingCode): Judgement {
  if (answer.kind === 'reply' && isSuccess(answer)) {
    return openBy(code, { httpStatus: answer.status, comfyui: isSystemStats(answer.body) });
  }
  return onReply(answer, (reply) => (isClosed(reply, address) ? good : foreign(reply, address)));
}

/** ④: the bearer must get `/system_stats` in its shape. */
export function judgeBearer(answer: Answer, address: Address): Judgement {
  if (answer.kind === 'reply' && answer.status === 500) {
    // ComfyUI-Login answers so to a header that is not two words; ComfyUI itself may, too, while it starts.
    return fault('unknown', 'not-ready', 'header-malformed', { httpStatus: 500 });
  }
  return onReply(answer, (reply) => {
    if (isClosed(reply, address)) return refusedBy('bearer-refused', { httpStatus: reply.status });
    const proper = reply.status === 200 && reply.end === 'whole' && isSystemStats(reply.body);
    return proper ? good : foreign(reply, address);
  });
}

/** ④ where the bearer cannot even be sent: it holds a blank, a line end, or no ASCII. */
export const unsendableBearer: Judgement = refusedBy('header-malformed', { sent: false });

/** ④ where the bearer is refused without `Origin` and accepted with it (container.md F15). */
export const originRequired = (origin: string): Judgement => refusedBy('origin-required', { origin });

const PASSWORD_FIELD = /<input\b[^>]*\bname\s*=\s*["']?password["'\s/>]/i;
const USERNAME_FIELD = /<input\b[^>]*\bname\s*=\s*["']?username["'\s/>]/i;
/** Without a second line in PASSWORD a right login may cut the file to nothing (container.md F4). */
const NAME_ONLY = /also set a username/i;
const GUEST_BUTTON = /<input\b[^>]*\bvalue=["']Guest Mode["']/i;

/** ⑤: the login page asks for the known password, not for a new one, and lets no guests in. */
export function judgeLoginPage(answer: Answer, address: Address, guestModeAllowed: boolean): Judgement {
  return onReply(answer, (reply) => {
    // What the page ends with could be the field of a first visit: a beginning says nothing.
    const whole = reply.status === 200 && reply.end === 'whole';
    if (!whole || !PASSWORD_FIELD.test(reply.body)) return foreign(reply, address);
    if (NAME_ONLY.test(reply.body)) return refusedBy('password-file-malformed', { hint: 'no-username' });
    if (USERNAME_FIELD.test(reply.body)) return openBy('first-visit');
    if (!GUEST_BUTTON.test(reply.body)) return good;
    return guestModeAllowed ? { ...good, detail: 'guest-mode' } : openBy('guest-mode-on');
  });
}

/** The canary of container.md F10. It never ends a round: without a guard in the server nothing closes this hole. */
export function judgeSuffix(answer: Answer, address: Address): Judgement {
  if (answer.kind === 'silence') return { verdict: 'unknown', means: 'proved', detail: answer.code };
  if (isSuccess(answer)) return { ...fault('fail', 'proved', 'open-by-suffix'), detail: 'open' };
  return isClosed(answer, address) ? good : { verdict: 'unknown', means: 'proved' };
}

const letIn = (reply: Reply, address: Address) => {
  const to = target(reply, address);
  return to !== undefined && address.is(to, '/') && reply.headers['set-cookie'] !== undefined;
};

const saysWrong = (reply: Reply, address: Address) => {
  const to = target(reply, address);
  const wrong = to !== undefined && address.is(to, '/login') && to.searchParams.has('wrong_password');
  return wrong || reply.status === 401 || reply.status === 403;
};

/** The form is posted after good rounds only, and once: what it says then stands. */
const forGood = (judgement: Judgement): Judgement =>
  judgement.settled === undefined ? judgement : { ...judgement, settled: 'now' };

/** ⑥: the form with the right password must lead to `/` with a cookie; a wrong one is answered 302 as well. */
export function judgePassword(answer: Answer, address: Address): Judgement {
  return onReply(answer, (reply) => {
    if (letIn(reply, address)) return good;
    const wrong = saysWrong(reply, address);
    return forGood(
      wrong ? refusedBy('password-refused', { httpStatus: reply.status }) : foreign(reply, address),
    );
  });
}

/** ⑦: the form with a wrong password must refuse it; a guard that throttles refuses, too. */
export function judgeWrongPassword(answer: Answer, address: Address): Judgement {
  if (answer.kind === 'reply' && letIn(answer, address)) return openBy('open', { by: 'wrong-password' });
  if (answer.kind === 'reply' && answer.status === 429) return { ...good, detail: 'throttled' };
  return onReply(answer, (reply) => (saysWrong(reply, address) ? good : forGood(foreign(reply, address))));
}
