import { isIP } from 'node:net';
import { Secret } from '../../src/model/secret.ts';
import { duration, existing, flag, text, textOrFile, wholeNumber } from '../environment.ts';
import { Refusal } from '../exit.ts';

/** Where the image keeps its pristine copy of the guard. */
const COPY = '/opt/comfyui-auth/guard';

/** The folder from which the guard is put among the custom nodes; undefined: it is not. Throws a `Refusal` (78). */
export const readGuardCopy = (env: NodeJS.ProcessEnv): string | undefined =>
  existing(env, 'GUARD_COPY', COPY);

const SWITCHES = ['BEARER_PASSWORD', 'QUERY_TOKEN', 'KEEP_SESSIONS'];
/** What nobody but the guard reads. */
const VARIABLES = [
  ...['MAX_LOGIN_ATTEMPTS', 'SESSION_EXPIRE_HOURS', 'TRUSTED_PROXIES', 'RELOAD_GRACE'],
  ...['METRICS_TOKEN', 'METRICS_TOKEN_FILE'],
  ...SWITCHES,
];
const MAX_HOURS = 8760;
const MIN_TOKEN_LENGTH = 16;
/** What can stand in a header. */
const METRICS_TOKEN = new RegExp(`^[\\x21-\\x7e]{${MIN_TOKEN_LENGTH},}$`);

/**
 * Judges what the guard reads out of ComfyUI's environment: it would end ComfyUI over a bad one, but only after all
 * else was loaded. Gives the secrets among it. Throws a `Refusal` (78).
 */
export function checkGuardVariables(env: NodeJS.ProcessEnv): Secret[] {
  const token = readMetricsToken(env);
  wholeNumber(env, 'MAX_LOGIN_ATTEMPTS', { min: 1, max: 1000 });
  checkHours(env);
  checkProxies(env);
  for (const name of SWITCHES) flag(env, name, true);
  duration(env, 'RELOAD_GRACE', 0, { minMs: 0, maxMs: 3_600_000 });
  return token === undefined ? [] : [token];
}

/** What was set for the guard and is read by nobody, where ComfyUI loads none. */
export const unreadWithoutGuard = (env: NodeJS.ProcessEnv): string[] =>
  VARIABLES.filter((name) => text(env, name) !== undefined).map(
    (name) => `${name} is not read: ComfyUI runs without the guard`,
  );

const refused = (message: string, remedy: string) =>
  new Refusal({ code: 'setting-invalid', message, remedy });

function checkHours(env: NodeJS.ProcessEnv): void {
  const value = text(env, 'SESSION_EXPIRE_HOURS')?.trim();
  if (value === undefined) return;
  const hours = Number(value);
  if (/^\d+(?:\.\d+)?$/.test(value) && hours > 0 && hours <= MAX_HOURS) return;
  throw refused(
    `SESSION_EXPIRE_HOURS is no number of hours above 0, and up to ${MAX_HOURS}`,
    'set SESSION_EXPIRE_HOURS to such a number, e.g. 24 or 0.5, or leave it unset',
  );
}

function checkProxies(env: NodeJS.ProcessEnv): void {
  const words = (text(env, 'TRUSTED_PROXIES') ?? '').split(/[\s,]+/).filter((word) => word !== '');
  if (words.every(isNetwork)) return;
  throw refused(
    'TRUSTED_PROXIES holds what is neither an address nor a network',
    'write addresses or networks with commas between them, like 10.0.0.5, 172.16.0.0/12',
  );
}

function isNetwork(word: string): boolean {
  const [, address = '', prefix] = /^([^/]*)(?:\/(\d{1,3}))?$/.exec(word) ?? [];
  // Python's networks have no zone.
  const version = address.includes('%') ? 0 : isIP(address);
  return version !== 0 && Number(prefix ?? 0) <= (version === 4 ? 32 : 128);
}

function readMetricsToken(env: NodeJS.ProcessEnv): Secret | undefined {
  const token = textOrFile(env, 'METRICS_TOKEN')?.trim();
  const inFile = text(env, 'METRICS_TOKEN_FILE') !== undefined;
  if (token === undefined && !inFile) return undefined;
  if (token !== undefined && METRICS_TOKEN.test(token)) return new Secret(token);
  throw refused(
    `${inFile ? 'METRICS_TOKEN_FILE holds' : 'METRICS_TOKEN is'} no token of ${MIN_TOKEN_LENGTH} or more printable ASCII characters without a blank`,
    'make one with `openssl rand -hex 16`, or leave it unset',
  );
}
