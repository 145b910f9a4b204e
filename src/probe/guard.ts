import type { Secret } from '../model/secret.ts';
import type { Clock } from '../platform/clock.ts';
import { assertOrigin, readAddress } from './address.ts';
import { type Answer, ask } from './request.ts';

/** No request takes longer, unless another bound is given. */
const TRY_MS = 5_000;

/** Whom to ask for the guard: the server, and the bearer that it should know. */
export interface GuardTarget {
  /** Base address of ComfyUI; without user, password, query. */
  url: string;
  bearer: Secret;
  /** Sent as `Origin`: only where ComfyUI runs with a fixed `--enable-cors-header`. */
  origin?: string;
  clock: Clock;
  /** Bounds the request; 5 s where absent. */
  tryMs?: number;
  signal?: AbortSignal;
}

/** Whether the guard runs in the server, and what it says of itself. */
export type GuardReport =
  /** Something answers, and it is not the guard. */
  | { guard: 'absent' }
  /** `credential`: fingerprint of the bearer that is live; `closed`: why it lets nobody in. */
  | { guard: 'present'; version: string; reload: boolean; credential: string; closed?: string }
  /** Nobody answered; or something speaks as the guard does, and does not know this bearer (`answers`): it keeps why. */
  | { guard: 'unknown'; answers?: true; closed?: 'unknown' };

/** What became of a wish to read PASSWORD again. */
export type GuardReload =
  | { result: 'reloaded'; credential: string; sessions: 'ended' | 'kept'; graceSeconds: number }
  /** PASSWORD holds what is live already. */
  | { result: 'unchanged'; credential: string }
  /** The bearer is not known, or PASSWORD holds nothing that could be taken; everything stays as it was. */
  | { result: 'refused'; code: string }
  | { result: 'unsupported' | 'absent' | 'unknown' };

type Fields = Record<string, unknown>;

const VERSION = /^\d+\.\d+\.\d+$/;
const FINGERPRINT = /^[0-9a-f]{8}$/;
const CODE = /^[a-z-]+$/;

/** No header can carry another one; then it is asked without. */
const SENDABLE = /^[\x21-\x7e]+$/;

/** A field of this shape: whatever else a server writes stays unsaid, for it can hold what it was sent. */
const shaped = (value: unknown, shape: RegExp): string | undefined =>
  typeof value === 'string' && value.length <= 64 && shape.test(value) ? value : undefined;

const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The object that a body holds; undefined where it holds none. */
function fieldsOf(body: string): Fields | undefined {
  try {
    const value: unknown = JSON.parse(body);
    return isFields(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** An answer that came whole, and does not say "not now". */
interface Said {
  status: number;
  fields: Fields | undefined;
}

function saidIn(answer: Answer): Said | undefined {
  if (answer.kind === 'silence' || answer.end === 'timeout' || answer.end === 'reset') return undefined;
  return { status: answer.status, fields: fieldsOf(answer.body) };
}

/** Whether a status says no more than that nothing useful could be said: a proxy's, or of a server that starts. */
const isNotNow = (status: number) => status >= 500 || status === 429;

function send(method: 'GET' | 'POST', path: string, target: GuardTarget): Promise<Answer> {
  const { url, bearer, origin, clock, tryMs = TRY_MS, signal } = target;
  assertOrigin(origin);
  const token = bearer.reveal();
  const headers = {
    ...(origin !== undefined && { origin }),
    ...(SENDABLE.test(token) && { authorization: `Bearer ${token}` }),
  };
  return ask({ method, url: readAddress(url).at(path), headers, timeoutMs: tryMs, signal }, clock);
}

/** What `/healthz` says to whom it knows, and of what shape. */
function presentIn(fields: Fields, isClosed: boolean): GuardReport | undefined {
  const guard = isFields(fields.guard) ? fields.guard : {};
  const version = shaped(guard.version, VERSION);
  const credential = shaped(fields.credential, FINGERPRINT);
  if (version === undefined || credential === undefined || typeof guard.reload !== 'boolean') {
    return undefined;
  }
  const closed = isClosed && { closed: shaped(fields.reason, CODE) ?? 'unknown' };
  return { guard: 'present', version, reload: guard.reload, credential, ...closed };
}

/**
 * Asks once whether the guard runs in a server. Throws a `Failure` where url or origin are unusable, and the signal's
 * reason where that is aborted.
 */
export async function askGuard(target: GuardTarget): Promise<GuardReport> {
  const said = saidIn(await send('GET', '/healthz', target));
  if (said === undefined) return { guard: 'unknown' };
  const { status, fields } = said;
  const isOk = status === 200 && fields?.status === 'ok';
  const isClosed = status === 503 && fields?.status === 'closed';
  if (fields !== undefined && (isOk || isClosed)) {
    const closed = isClosed && { closed: 'unknown' as const };
    return presentIn(fields, isClosed) ?? { guard: 'unknown', answers: true, ...closed };
  }
  return { guard: isNotNow(status) ? 'unknown' : 'absent' };
}

/** What a 200 of the guard says; undefined where it is none of its. */
function doneIn({ reloaded, credential: given, sessions, graceSeconds }: Fields): GuardReload | undefined {
  if (typeof reloaded !== 'boolean') return undefined;
  const credential = shaped(given, FINGERPRINT);
  if (credential === undefined) return { result: 'unknown' };
  if (!reloaded) return { result: 'unchanged', credential };
  const known = sessions === 'ended' || sessions === 'kept';
  if (!known || typeof graceSeconds !== 'number' || graceSeconds < 0) return { result: 'unknown' };
  return { result: 'reloaded', credential, sessions, graceSeconds };
}

/** What the guard says with a status that is no success. */
function refusalIn({ status, fields }: Said): GuardReload | undefined {
  const code = shaped(fields?.code, CODE);
  if (status === 409 && code !== undefined) return { result: 'refused', code };
  if (status === 501 && code === 'reload-unsupported') return { result: 'unsupported' };
  // The login node says no more, and neither does the guard to whom it does not know.
  return status === 401 ? { result: 'refused', code: code ?? 'unauthorized' } : undefined;
}

/**
 * Asks the guard to read PASSWORD again and to take what it holds: `bearer` is what is live now, or what PASSWORD
 * holds. Throws as `askGuard` does.
 */
export async function reloadThroughGuard(target: GuardTarget): Promise<GuardReload> {
  const said = saidIn(await send('POST', '/reload_token', target));
  if (said === undefined) return { result: 'unknown' };
  const { status, fields } = said;
  const known = status === 200 && fields !== undefined ? doneIn(fields) : refusalIn(said);
  if (known !== undefined) return known;
  return { result: isNotNow(status) || status === 403 || status === 409 ? 'unknown' : 'absent' };
}
