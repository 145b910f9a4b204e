import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import bcrypt from 'bcryptjs';
import type { LoadedLogin } from './custom-node.ts';
import { type Exchange, json, type Reply } from './exchange.ts';
import type { Flags } from './flags.ts';
import type { Login } from './login.ts';
import type { PasswordStore } from './password-store.ts';
import { renewKey } from './session.ts';
import { GUARD_NODE } from './tree.ts';

const VERSION = '0.1.0';

/** PASSWORD as the guard takes it: the hash, one line feed, a user name, and nothing around them. */
const CANONICAL = /^(\$2[aby]\$\d\d\$[./A-Za-z0-9]{53})\n(?=\S)(\P{Cc}*\S)\n?$/u;

const HASH_LIKE = /^\$2[abxy]\$/;

const YES = /^(?:true|1|yes|on)$/i;

/** The guard ends ComfyUI with this before any socket is bound. */
export const GUARD_EXIT = 78;

/** Why the guard lets ComfyUI not start; its message is the line that the guard prints. */
export class GuardRefusal extends Error {
  constructor(what: string, remedy: string) {
    super(`comfyui-auth guard: ${what}. Remedy: ${remedy}`);
  }
}

const fingerprint = (bearer: string) => createHash('sha256').update(bearer).digest('hex').slice(0, 8);

interface Held {
  bearer: string;
  username: string;
}

/** What PASSWORD holds, where it is as it should be. */
function heldBy(store: PasswordStore): Held | undefined {
  const [, bearer, username] = CANONICAL.exec(store.content() ?? '') ?? [];
  return bearer === undefined || username === undefined ? undefined : { bearer, username };
}

const refusal = () => {
  const answer = json({ error: 'Authentication required.' }, 401);
  return { ...answer, headers: { ...answer.headers, 'www-authenticate': 'Bearer realm="ComfyUI"' } };
};

const wrongMethod = (allow: string): Reply => {
  const answer = json({ error: 'Method not allowed.' }, 405);
  return { ...answer, headers: { ...answer.headers, allow } };
};

/** What the guard stands on. */
interface GuardParts {
  store: PasswordStore;
  login: Login;
  keyPath: string;
  keepsSessions: boolean;
  onEvent: (line: string) => void;
}

/** The guard beside the login node, as far as this project asks for it: health, reload, and two holes that it closes. */
class Guard {
  readonly #parts: GuardParts;
  #live: Held;

  constructor(parts: GuardParts, live: Held) {
    this.#parts = parts;
    this.#live = live;
    this.#tell('guard-ready', { version: VERSION, reload: true });
  }

  /** Answers what is the guard's to answer; undefined leaves it to the login node. */
  answer(exchange: Exchange): Reply | undefined {
    const { path, method } = exchange;
    if (path === '/healthz') {
      return method === 'GET' || method === 'HEAD' ? this.#health(exchange) : wrongMethod('GET, HEAD');
    }
    if (this.#closed !== undefined) return json({ error: 'The server has no credential.' }, 503);
    if (path !== '/reload_token') return undefined;
    return method === 'POST' ? this.#reloadAsked(exchange) : wrongMethod('POST');
  }

  /** Reads PASSWORD again, and takes what it holds. */
  reload(trigger: 'signal' | 'request'): Reply {
    const { store, login, keyPath, keepsSessions } = this.#parts;
    const held = heldBy(store);
    if (held === undefined) {
      const error = 'PASSWORD does not hold a hash and a user name';
      this.#tell('reload', { trigger, result: 'refused', reason: error });
      return json({ code: 'password-invalid', error }, 409);
    }
    const credential = fingerprint(held.bearer);
    if (held.bearer === this.#live.bearer && held.username === this.#live.username) {
      this.#tell('reload', { trigger, result: 'unchanged' });
      return json({ reloaded: false, credential });
    }
    this.#live = held;
    store.swap(held.bearer);
    if (!keepsSessions) login.useKey(renewKey(keyPath));
    const done = { credential, sessions: keepsSessions ? 'kept' : 'ended', graceSeconds: 0 };
    this.#tell('rotation', done);
    this.#tell('reload', { trigger, result: 'reloaded' });
    return json({ reloaded: true, ...done });
  }

  /** Why nobody is let in; undefined where somebody may be. */
  get #closed(): string | undefined {
    const { store } = this.#parts;
    const content = store.content();
    if (content === undefined) return 'password-missing';
    return content === '' ? 'password-empty' : undefined;
  }

  #health(exchange: Exchange): Reply {
    const reason = this.#closed;
    const status = reason === undefined ? 'ok' : 'closed';
    const more = this.#knows(exchange) && {
      guard: { version: VERSION, reload: true },
      credential: fingerprint(this.#live.bearer),
      ...(reason !== undefined && { reason }),
    };
    return json({ status, ...more }, reason === undefined ? 200 : 503);
  }

  #reloadAsked(exchange: Exchange): Reply {
    const given = bearerOf(exchange);
    const isHeld = given !== undefined && given === heldBy(this.#parts.store)?.bearer;
    return isHeld || this.#knows(exchange) ? this.reload('request') : refusal();
  }

  /** Whether a request carries a credential that is good now: the bearer, its password, a session. */
  #knows(exchange: Exchange): boolean {
    const given = bearerOf(exchange);
    if (given === undefined) return this.#parts.login.isLoggedIn(exchange);
    if (given === this.#live.bearer) return true;
    return !HASH_LIKE.test(given) && bcrypt.compareSync(given, this.#live.bearer);
  }

  #tell(event: string, more: Record<string, unknown>): void {
    const at = new Date().toISOString();
    this.#parts.onEvent(JSON.stringify({ source: 'guard', event, at, ...more }));
  }
}

const bearerOf = (exchange: Exchange) => /^Bearer\s+(\S+)$/.exec(exchange.header('authorization') ?? '')?.[1];

/**
 * Loads the guard where its folder is among the custom nodes. Throws a `GuardRefusal` where the login is not as it
 * should be: ComfyUI ends then before it listens. Where an open server is meant it does nothing.
 */
export function loadGuard(
  base: string,
  flags: Flags,
  { guards, login, store, keyPath }: LoadedLogin,
  onEvent: (line: string) => void = () => undefined,
): Guard | undefined {
  if (process.env.COMFYUI_AUTH_OPEN === 'yes-i-know') return undefined;
  const isLoaded = flags.onlyNodes?.includes(basename(GUARD_NODE)) ?? true;
  if (!isLoaded || !existsSync(join(base, GUARD_NODE))) return undefined;
  if (!guards || login === undefined || store === undefined || keyPath === undefined) {
    throw new GuardRefusal('ComfyUI-Login was not loaded', 'see why its import failed, above');
  }
  const live = heldBy(store);
  if (live === undefined) {
    throw new GuardRefusal(
      'login/PASSWORD does not hold a hash and a user name',
      'write it, and start again',
    );
  }
  const keepsSessions = YES.test(process.env.KEEP_SESSIONS ?? '');
  return new Guard({ store, login, keyPath, keepsSessions, onEvent }, live);
}
