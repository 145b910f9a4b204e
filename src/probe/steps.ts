import { randomBytes } from 'node:crypto';
import { bcryptBase64 } from '../model/bcrypt.ts';
import type { Credential } from '../model/credential.ts';
import type { Clock } from '../platform/clock.ts';
import { type Address, assertOrigin, readAddress } from './address.ts';
import type { CheckId } from './check.ts';
import { withoutEcho } from './echo.ts';
import { type Answer, ask, type ProbeRequest } from './request.ts';
import {
  type Judgement,
  judgeBearer,
  judgeLoginPage,
  judgePassword,
  judgeRefusal,
  judgeSuffix,
  judgeWrongPassword,
  originRequired,
  unsendableBearer,
} from './verdict.ts';

/** What every way of asking needs to know. */
export interface ProbeTarget {
  /** Base address of ComfyUI, e.g. `http://127.0.0.1:8188`; without user, password, query. */
  url: string;
  /** Sent as `Origin` with every request: only where ComfyUI runs with a fixed `--enable-cors-header`. */
  origin?: string;
  credential: Credential;
  /** Where guests were asked for: a login page that offers guest mode is then no fault. */
  guestModeAllowed?: boolean;
  /** Bounds each request; 5 s where absent. */
  tryMs?: number;
  signal?: AbortSignal;
  clock: Clock;
}

/** The outcome of a step; undefined where there is nothing to ask with. */
type StepResult = { judgement: Judgement; httpStatus?: number } | undefined;

/** How many milliseconds a request that is sent now may take: less and less, towards the end of a gate. */
export type Bound = () => number;

/** Every check as something to do; each of its requests is bounded for itself. */
export type Steps = Record<CheckId, (bound: Bound) => Promise<StepResult>>;

const STATS = '/system_stats';

/** Who must be refused and is let in need not be heard out: until the verdict, the server stays open. */
const OPEN_BODY_MS = 250;

/** No node is called so: 200 with `{}` where the suffix alone lets anyone in (container.md F10). */
const CANARY = '/object_info/x.js';

/** A hash of the right shape that nobody has: 16 bytes of salt, 23 of digest, in bcrypt's base64. */
const wrongBearer = () => `$2b$12$${bcryptBase64(randomBytes(16))}${bcryptBase64(randomBytes(23))}`;

const wrongPassword = () => randomBytes(18).toString('base64url');

const isSendable = (bearer: string) => /^[\x21-\x7e]+$/.test(bearer);

const authorization = (bearer: string) => ({ authorization: `Bearer ${bearer}` });

/** The origin that the server itself names, else its own: what a browser's page of it would send. */
function likelyOrigin(answer: Answer, address: Address): string {
  const allowed = answer.kind === 'reply' ? answer.headers['access-control-allow-origin'] : undefined;
  // In the server's own words, for it compares them, but only where they can stand in a header.
  return allowed !== undefined && isSendable(allowed) && URL.canParse(allowed) ? allowed : address.origin;
}

/** The checks for one target. Throws a `Failure` where its url or origin are unusable. */
export function stepsFor(target: ProbeTarget): Steps {
  const address = readAddress(target.url);
  assertOrigin(target.origin);
  const { password, username } = target.credential;
  const { clock, signal } = target;
  const hide = withoutEcho(target.credential);
  const origin = target.origin === undefined ? {} : { origin: target.origin };

  const getting = (path: string, bound: Bound, headers: Record<string, string>): ProbeRequest => ({
    method: 'GET',
    url: address.at(path),
    headers: { ...origin, ...headers },
    timeoutMs: bound(),
    signal,
  });
  const get = (path: string, bound: Bound, headers = {}) => ask(getting(path, bound, headers), clock);
  const getForbidden = (path: string, bound: Bound, headers = {}) =>
    ask({ ...getting(path, bound, headers), successBodyMs: OPEN_BODY_MS }, clock);

  // Always with the user name: a form without it may cut PASSWORD to nothing (container.md F4).
  const login = (secret: string, bound: Bound) =>
    ask(
      {
        method: 'POST',
        url: address.at('/login'),
        headers: { ...origin, 'content-type': 'application/x-www-form-urlencoded' },
        body: new URLSearchParams({ username, password: secret }).toString(),
        timeoutMs: bound(),
        signal,
      },
      clock,
    );

  const result = (judgement: Judgement, answer: Answer): StepResult => ({
    judgement: { ...judgement, ...(judgement.finding !== undefined && { finding: hide(judgement.finding) }) },
    ...(answer.kind === 'reply' && { httpStatus: answer.status }),
  });

  async function askWithBearer(bound: Bound): Promise<StepResult> {
    const bearer = target.credential.bearer.reveal();
    if (!isSendable(bearer)) return { judgement: unsendableBearer };
    const answer = await get(STATS, bound, authorization(bearer));
    const judgement = judgeBearer(answer, address);
    if (judgement.means !== 'refused' || target.origin !== undefined) return result(judgement, answer);
    const guess = likelyOrigin(answer, address);
    const again = await get(STATS, bound, { ...authorization(bearer), origin: guess });
    const helps = judgeBearer(again, address).means === 'proved';
    return result(helps ? originRequired(guess) : judgement, answer);
  }

  const each =
    (send: (bound: Bound) => Promise<Answer>, judge: (answer: Answer) => Judgement) =>
    async (bound: Bound) => {
      const answer = await send(bound);
      return result(judge(answer), answer);
    };

  return {
    anonymous: each(
      (bound) => getForbidden(STATS, bound),
      (answer) => judgeRefusal(answer, address, 'open'),
    ),
    'empty-token': each(
      (bound) => getForbidden(`${STATS}?token=`, bound),
      (answer) => judgeRefusal(answer, address, 'open-by-empty-token'),
    ),
    'wrong-bearer': each(
      (bound) => getForbidden(STATS, bound, authorization(wrongBearer())),
      (answer) => judgeRefusal(answer, address, 'wrong-bearer-accepted'),
    ),
    bearer: askWithBearer,
    'login-page': each(
      (bound) => get('/login', bound),
      (answer) => judgeLoginPage(answer, address, target.guestModeAllowed === true),
    ),
    suffix: each(
      (bound) => getForbidden(CANARY, bound),
      (answer) => judgeSuffix(answer, address),
    ),
    password: async (bound) => {
      if (password === undefined) return undefined;
      const answer = await login(password.reveal(), bound);
      return result(judgePassword(answer, address), answer);
    },
    'wrong-password': each(
      (bound) => login(wrongPassword(), bound),
      (answer) => judgeWrongPassword(answer, address),
    ),
  };
}
