import type { FindingArgs } from '../model/finding.ts';
import { printable } from './place.ts';

/** What a step of `doctor` has seen, in words; the arguments are facts, and no secret. */
const WORDS = {
  engine: ({ version }) => `Docker Engine ${version} answers`,
  'engine-silent': ({ reason }) =>
    ({
      'docker-missing': 'docker is not on PATH',
      permission: 'this user may not speak to the Docker Engine',
      timeout: 'the Docker Engine does not answer in time',
    })[String(reason)] ?? 'no Docker Engine answers',
  'no-compose': () => 'neither "docker compose" nor "docker-compose" can be run',
  'compose-silent': () => 'Compose does not say which containers the service has',
  'no-driver': ({ driver }) => `the layout names no container (restart: ${driver})`,
  'no-engine': () => 'the engine cannot be asked',
  'no-container': () => 'there is no container',
  'not-running': () => 'the container does not run',
  'none-of-service': ({ service }) => `no container belongs to the service ${service}`,
  namesakes: ({ names }) => `${names}: of another service`,
  container: ({ name, status }) => `${name} is ${status}`,
  since: ({ at }) => `since ${at}`,
  several: ({ count }) => `one of ${count}`,
  restarts: ({ count }) => `restarted ${count} times by the engine`,
  'exit-code': ({ code }) => `exit code ${code}`,
  'out-of-memory': () => 'it ran out of memory',
  health: ({ health }) => `its health check says ${health}`,
  checkout: ({ folder }) => `made from ${folder}`,
  'checkout-unnamed': () => 'it does not say from which folder it was made',
  'mounts-own': ({ count }) => `${count} of the layout's files mounted`,
  'mounts-elsewhere': ({ source, expected }) => `${source} is mounted where ${expected} should be`,
  'made-elsewhere': ({ source, expected }) => `it was made from ${source}, not from ${expected}`,
  published: ({ port, hostIp }) => `port ${port} is published on ${hostIp}`,
  exposed: () => 'whoever reaches this host reaches it',
  unpublished: ({ port }) => `the container does not publish port ${port}`,
  'published-ports': ({ ports }) => `it publishes ${ports}`,
  'not-here': ({ host }) => `${host} is not this host`,
  silence: ({ reason }) =>
    ({ ECONNREFUSED: 'nothing listens', ENOTFOUND: 'the name is not known' })[String(reason)] ??
    `no connection (${reason})`,
  'nothing-behind': () => 'the port is published, and nothing in the container listens behind it',
  'says-nothing': () => 'it accepts connections and says nothing',
  'not-yet': ({ reason }) => `no usable answer (${reason})`,
  'installer-runs': ({ installer }) => `${installer} runs in the container: it is still installing`,
  'installer-speaks': () => 'its log ends with lines of an installer: it is still installing',
  'inside-unseen': () => 'whether it still installs could not be looked at',
  answers: ({ httpStatus }) => `it answers (HTTP ${httpStatus})`,
  'older-node': () => 'as an older version of ComfyUI-Login does: 302 in place of 401',
  foreign: ({ httpStatus }) => `what answers is not ComfyUI (HTTP ${httpStatus})`,
  redirected: ({ to }) => `it sends to ${to}; nothing was sent there`,
  'no-answer': () => 'nothing usable answers',
  'not-asked': () => 'not asked: an earlier step failed',
  guard: ({ version }) => `the guard ${version} runs`,
  'guard-reloads': () => 'it takes a new credential without a restart',
  'guard-restarts': () => 'it takes a new credential by a restart alone',
  'guard-agrees': ({ found }) => `its bearer is ${found}, as in the files`,
  'guard-differs': ({ found, expected }) => `its bearer is ${found}, that of the files ${expected}`,
  'guard-shut': ({ reason }) => `it lets nobody in (${reason})`,
  'guard-stranger': () => 'a guard runs, and does not know this bearer',
  'guard-unknown': () => 'whether one runs is not known',
  'guard-unread': ({ path, found }) => `${path} holds ${found}, and the guard does not know it`,
  'no-guard': () =>
    'none runs: beside ComfyUI-Login it closes paths in .js, limits logins, and takes a new credential without a restart',
  shut: () => 'not asked: the guard lets nobody in',
  'login-page': () => '/login is the page of ComfyUI-Login',
  'no-login-page': ({ httpStatus }) => `/login is no login page (HTTP ${httpStatus})`,
  'login-page-idle': () => '/login is there, and guards nothing',
  'import-failed': () => 'the log says that its import failed',
  'lacks-module': ({ module }) => `the Python package ${module} is missing`,
  'refused-without': ({ httpStatus }) => `no credential: refused (HTTP ${httpStatus})`,
  'open-without': ({ httpStatus }) => `no credential: LET IN (HTTP ${httpStatus})`,
  'random-refused': () => 'a random bearer: refused',
  'random-accepted': () => 'a random bearer: LET IN',
  refused: ({ httpStatus }) => `refused (HTTP ${httpStatus})`,
  open: ({ httpStatus }) => `LET IN (HTTP ${httpStatus})`,
  unanswered: ({ reason }) => `no usable answer (${reason})`,
  accepted: ({ fingerprint }) => `the bearer ${fingerprint} is accepted`,
  'accepted-with-origin': ({ fingerprint, origin }) =>
    `the bearer ${fingerprint} is accepted with Origin ${origin} alone`,
  'bearer-refused': ({ fingerprint, httpStatus }) =>
    `the bearer ${fingerprint} is refused (HTTP ${httpStatus})`,
  'bearer-unknown': () => 'no bearer is known: none was handed in, and the files hold none that fits',
  'bearer-500': () => 'HTTP 500 to the bearer',
  'bearer-unsendable': () => 'no header can carry the bearer',
  'password-holds': ({ path, found }) => `${path} holds ${found}`,
  'form-both': () => 'the right password is accepted, a wrong one refused',
  'password-unknown': () => 'no password that fits the bearer is known',
  'password-refused': () => 'the right password is refused',
  'wrong-password-accepted': () => 'a wrong password is LET IN',
  'first-visit': () => 'the page lets the first visitor choose the password',
  'page-without-name': () => 'the page asks for a user name: PASSWORD has no second line',
  'not-posted': () => 'not posted: that is done only where all before it held',
  guests: () => 'the page lets guests in',
  'no-guests': () => 'the page offers no guest mode',
  'origin-sent': ({ origin }) => `accepted with Origin ${origin}, as the layout says`,
  'origin-free': () => 'accepted without an Origin',
  'origin-needed': ({ origin }) => `accepted only with Origin ${origin}`,
  'origin-no-help': () => 'no Origin that is known helps',
  'no-env-file': () => 'the service has no .env',
  'env-file-unread': () => 'the .env cannot be read as Compose does',
  'env-nothing-shared': () => 'no key of the .env is in its environment',
  'env-agrees': ({ count }) => `${count} keys are as in the .env`,
  'env-differs': ({ keys }) => `not as in the .env: ${keys}`,
  'env-mangled': ({ keys }) => `${keys}: handed over in pieces`,
  'no-password-file': () => 'when PASSWORD was changed is not known',
  'start-unknown': () => 'when it was started is not known',
  younger: ({ at }) => `started ${at}, after PASSWORD was changed`,
  older: ({ at, changed }) => `started ${at}, before PASSWORD was changed (${changed})`,
  'older-accepts': () => 'and yet it accepts the bearer',
} as const satisfies Record<string, (args: FindingArgs) => string>;

export type EvidenceCode = keyof typeof WORDS;

/** One thing that was seen. */
export interface Evidence {
  code: EvidenceCode;
  args: FindingArgs;
}

/** Something that was seen, with the facts that its words name. */
export const seen = (code: EvidenceCode, args: FindingArgs = {}): Evidence => ({ code, args });

/** What was seen, as one line. */
export function evidenceText(evidence: readonly Evidence[]): string {
  const table: Record<EvidenceCode, (args: FindingArgs) => string> = WORDS;
  return printable(evidence.map(({ code, args }) => table[code](args)).join('; '));
}
