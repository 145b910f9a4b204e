import { isAbsolute } from 'node:path';
import { ALIASES } from '../src/model/credential.ts';
import { parseDuration, parseSpan } from '../src/model/duration.ts';
import type { Owner } from '../src/model/layout.ts';
import { Secret } from '../src/model/secret.ts';
import type { Redactor } from '../src/platform/redact.ts';
import { duration, flag, oneOf, text, textOrFile, wholeNumber } from './environment.ts';
import { Refusal } from './exit.ts';
import { checkGuardVariables } from './guard/settings.ts';
import type { RestartPolicy } from './restarts.ts';
import { shellWords } from './shell-words.ts';

/** The parts of the credential as the operator handed them in; none has been judged yet. */
export interface GivenCredential {
  username?: string;
  password?: Secret;
  bearer?: Secret;
  /** From it the salt of a new bearer is derived (contract.md, Derived bearer). */
  secretKey?: Secret;
  /** The name that goes into the derived salt: the same as in the layout of the other hosts. */
  service: string;
}

/** All that the environment says to the container (contract.md, Container). */
export interface Settings {
  comfyuiDir: string;
  python?: string;
  /** Who ComfyUI is to run as; absent: as we do. */
  user?: Owner;
  port: number;
  args: string[];
  /** `open`: without a login and without a proof, by the operator's explicit word. */
  mode: 'protected' | 'open';
  guests: boolean;
  corsOrigin?: string;
  verifyTimeoutMs: number;
  /** How often the cheap part of the proof is repeated. */
  verifyIntervalMs: number;
  /** How long one request of the proof may take; absent: as the proof has it. */
  tryMs?: number;
  stopGraceMs: number;
  restarts: RestartPolicy;
  /** `relay`: the published port is open only while ComfyUI is proven. */
  expose: 'direct' | 'relay';
  /** ComfyUI's log is to say more. */
  verbose: boolean;
  credential: GivenCredential;
  /** What was set and has no effect, in words for the log. */
  notices: string[];
}

/** The variables that hold a part of the credential, under all their names (domain.md §3), or a key. */
const PARTS = ['COMFYUI_USERNAME', 'COMFYUI_PASSWORD', 'COMFYUI_BEARER_TOKEN'] as const;
const KEYS = ['COMFYUI_AUTH_SECRET_KEY', 'SECRET_KEY'] as const;
/** Where the credential is read from, each also as a file's `…_FILE`. */
export const CREDENTIAL_VARIABLES = [...PARTS, ...KEYS];
const NAMES = { password: 'COMFYUI_PASSWORD', bearer: 'COMFYUI_BEARER_TOKEN' } as const;
const SCRUBBED = [...PARTS, ...KEYS, ...Object.keys(ALIASES)].flatMap((name) => [name, `${name}_FILE`]);

/** Secrets that ComfyUI and its nodes need: they stay in its environment, and are kept out of the log. */
const CHILDS_SECRETS = ['HF_TOKEN', 'CIVITAI_TOKEN', 'QWEN_API_TOKEN', 'METRICS_TOKEN'];

const OPEN_WORD = 'yes-i-know';
/** In ComfyUI's environment this keeps the guard from doing anything: nobody but us says so. */
const OPEN_SIGN = 'COMFYUI_AUTH_OPEN';

/** What tells the guard that an open server is meant. */
export const MEANT_OPEN: Readonly<Record<string, string>> = { [OPEN_SIGN]: OPEN_WORD };

/** The environment for ComfyUI: any custom node is code, so the credential and the keys are not in it. */
export function scrubbed(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const left = [...SCRUBBED, OPEN_SIGN];
  return Object.fromEntries(Object.entries(env).filter(([name]) => !left.includes(name)));
}

/** Every secret that stands in the environment itself: none of them may reach the log. */
export function secretsIn(env: NodeJS.ProcessEnv): Secret[] {
  const names = [...SCRUBBED, ...CHILDS_SECRETS].filter(
    (name) => !name.endsWith('_FILE') && name !== 'COMFYUI_USERNAME',
  );
  return names.flatMap((name) => (text(env, name) === undefined ? [] : [new Secret(env[name] ?? '')]));
}

/** Where settings come from, and who is told of the secrets among them before anything else happens. */
interface SettingsPorts {
  env: NodeJS.ProcessEnv;
  self: Owner;
  redactor: Redactor;
}

/**
 * Reads the whole environment, and the files that it names. Throws a `Refusal` (78) that names the variable and the
 * remedy.
 */
export function readSettings({ env, self, redactor }: SettingsPorts): Settings {
  const comfyuiDir = text(env, 'COMFYUI_DIR') ?? '/workspace/ComfyUI';
  if (!isAbsolute(comfyuiDir)) {
    throw refused('COMFYUI_DIR is no absolute path', 'set COMFYUI_DIR to the folder of ComfyUI’s main.py');
  }
  const python = text(env, 'COMFYUI_PYTHON');
  const user = readUser(env, self);
  const corsOrigin = readOrigin(env);
  oneOf(env, 'LOG_FORMAT', ['text', 'json']);
  const credential = readCredential(env);
  redactor.addPassing(...secretsOf(credential));
  redactor.add(...checkGuardVariables(env));
  return {
    comfyuiDir,
    ...(python !== undefined && { python }),
    ...(user !== undefined && { user }),
    port: wholeNumber(env, 'COMFYUI_PORT', { min: 1, max: 65_535 }) ?? 8188,
    args: readArgs(env),
    mode: readMode(env),
    guests: flag(env, 'GUEST_MODE_ENABLED', false),
    ...(corsOrigin !== undefined && { corsOrigin }),
    verifyTimeoutMs: duration(env, 'VERIFY_TIMEOUT', 900_000, { minMs: 1000, maxMs: 86_400_000 }),
    verifyIntervalMs: duration(env, 'VERIFY_INTERVAL', 30_000, { minMs: 1000, maxMs: 30_000 }),
    ...readTryMs(env),
    stopGraceMs: duration(env, 'STOP_GRACE', 8000, { minMs: 0, maxMs: 3_600_000 }),
    restarts: readRestarts(env),
    expose: oneOf(env, 'EXPOSE_MODE', ['direct', 'relay']),
    verbose: flag(env, 'VERBOSE_LOGGING', false),
    credential,
    notices: notices(env),
  };
}

const secretsOf = ({ password, bearer, secretKey }: GivenCredential): Secret[] =>
  [password, bearer, secretKey].filter((it) => it !== undefined);

const refused = (message: string, remedy: string) =>
  new Refusal({ code: 'setting-invalid', message, remedy });

function readUser(env: NodeJS.ProcessEnv, self: Owner | undefined): Owner | undefined {
  const bounds = { min: 0, max: 2 ** 32 - 2 };
  const uid = wholeNumber(env, 'COMFYUI_UID', bounds);
  const gid = wholeNumber(env, 'COMFYUI_GID', bounds);
  if (uid === undefined && gid === undefined) return undefined;
  // A group without a user, or a user that keeps root's group, is never what was meant.
  if (uid === undefined) {
    throw refused('COMFYUI_GID is set without COMFYUI_UID', 'set COMFYUI_UID too, or neither');
  }
  const wanted = { uid, gid: gid ?? uid };
  if (self?.uid === 0) return wanted;
  if (self?.uid === uid && (gid === undefined || self.gid === gid)) return undefined;
  throw refused(
    'COMFYUI_UID and COMFYUI_GID take effect only where the container starts as root',
    'start it as root, or remove both variables',
  );
}

function readArgs(env: NodeJS.ProcessEnv): string[] {
  const words = shellWords(text(env, 'COMFYUI_ARGS') ?? '');
  if (words !== undefined) return words;
  throw refused('COMFYUI_ARGS has a quote that is never closed', 'write COMFYUI_ARGS as words of a shell');
}

function readMode(env: NodeJS.ProcessEnv): Settings['mode'] {
  if (flag(env, 'COMFYUI_LOGIN_ENABLED', true)) return 'protected';
  if (text(env, 'ALLOW_OPEN') === OPEN_WORD) return 'open';
  throw new Refusal({
    code: 'login-disabled',
    message: 'COMFYUI_LOGIN_ENABLED is false: ComfyUI would serve anyone who reaches it',
    remedy: `set COMFYUI_LOGIN_ENABLED=true, or ALLOW_OPEN=${OPEN_WORD} as well where an open server is meant`,
  });
}

function readOrigin(env: NodeJS.ProcessEnv): string | undefined {
  const value = text(env, 'COMFYUI_CORS_ORIGIN');
  if (value === undefined) return undefined;
  if (URL.canParse(value) && new URL(value).origin === value) return value;
  throw refused(
    'COMFYUI_CORS_ORIGIN is not one origin (a `*` would also switch off ComfyUI’s own origin check)',
    'write it like https://ui.example, without a path',
  );
}

function readCredential(env: NodeJS.ProcessEnv): GivenCredential {
  const secret = (name: string) => {
    const value = textOrFile(env, name);
    return value === undefined ? undefined : new Secret(value);
  };
  const username = textOrFile(env, 'COMFYUI_USERNAME');
  const password = secret('COMFYUI_PASSWORD');
  const bearer = secret('COMFYUI_BEARER_TOKEN');
  const secretKey = secret('COMFYUI_AUTH_SECRET_KEY') ?? secret('SECRET_KEY');
  return {
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...(bearer !== undefined && { bearer }),
    ...(secretKey !== undefined && { secretKey }),
    service: text(env, 'COMFYUI_SERVICE') ?? 'comfyui-qwen',
  };
}

/** Of the old deployment: how many seconds a request may take. The proof has a bound of its own where it is unset. */
function readTryMs(env: NodeJS.ProcessEnv): { tryMs?: number } {
  if (text(env, 'API_TIMEOUT') === undefined) return {};
  return { tryMs: duration(env, 'API_TIMEOUT', 5000, { minMs: 1000, maxMs: 120_000 }) };
}

/** `RESTART_BUDGET=5 in 10m` and `RESTART_BACKOFF=1s..30s`, each also by its first part alone. */
function readRestarts(env: NodeJS.ProcessEnv): RestartPolicy {
  const [, most = '', window = '10m'] =
    /^(\d{1,6})(?:\s+in\s+(\S+))?$/.exec(words(env, 'RESTART_BUDGET', '5')) ?? [];
  const windowMs = parseDuration(window);
  if (most === '' || windowMs === undefined) {
    throw refused(
      'RESTART_BUDGET is no number of restarts in a time',
      'write it like `5 in 10m`, or 0 for none',
    );
  }
  const [, first = '', longest] =
    /^([^.].*?)(?:\.\.(.+))?$/.exec(words(env, 'RESTART_BACKOFF', '1s..30s')) ?? [];
  const firstMs = parseSpan(first);
  const longestMs = longest === undefined ? Math.max(30_000, firstMs ?? 0) : parseSpan(longest);
  if (firstMs === undefined || longestMs === undefined || firstMs > longestMs || longestMs > 3_600_000) {
    throw refused(
      'RESTART_BACKOFF is no pause, or none that grows to another of at most an hour',
      'write it like `1s..30s`: the first pause, and the longest',
    );
  }
  return { most: Number(most), windowMs, firstMs, longestMs };
}

const words = (env: NodeJS.ProcessEnv, name: string, otherwise: string) =>
  text(env, name)?.trim() ?? otherwise;

/** What an operator may believe to have set. A request that would lessen the protection is refused instead. */
function notices(env: NodeJS.ProcessEnv): string[] {
  const found: string[] = [];
  if (flag(env, 'CORS_ENABLED', false)) {
    found.push(
      'CORS_ENABLED has no effect: name the one origin that may call ComfyUI in COMFYUI_CORS_ORIGIN',
    );
  }
  for (const [alias, part] of Object.entries(ALIASES)) {
    const name = NAMES[part];
    const set = (variable: string) => text(env, variable) ?? text(env, `${variable}_FILE`);
    if (set(alias) !== undefined && set(name) === undefined) {
      found.push(`${alias} is not read here: hand its value in as ${name}`);
    }
  }
  return found;
}
