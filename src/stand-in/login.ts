import { type Exchange, found, html, json, type Reply } from './exchange.ts';
import type { PasswordStore } from './password-store.ts';
import { split } from './python-text.ts';
import { readSession, type Session, sessionCookie } from './session.ts';

export interface LoginOptions {
  store: PasswordStore;
  key: string;
  corsOrigin: string | undefined;
  /** As the node was before June 2024: whoever is refused is redirected, whatever is accepted. */
  alwaysRedirect: boolean;
}

/** Paths that end so need no login, whoever serves them (container.md F10). */
const OPEN_SUFFIXES = ['.css', '.js'];
const OPEN_SUFFIXES_LATER = [...OPEN_SUFFIXES, '.css.map', '.ico'];

const GUEST_POSTS = ['/prompt', '/upload/image'];

const escapeHtml = (text: string) =>
  text.replace(/[&<>"']/g, (character) => `&#${character.codePointAt(0)};`);

function page(state: {
  first: boolean;
  username: string | undefined;
  wrong: boolean;
  guests: boolean;
}): string {
  const greeting = state.first
    ? '<p>Welcome! For your first login, please enter a new username and password.</p>'
    : `${state.username === undefined ? '<p>Please also set a username.</p>' : ''}<p>Welcome back, ${escapeHtml(state.username ?? 'None')}!</p>`;
  const name =
    state.first || state.username === undefined ? '<input type="text" name="username" required>' : '';
  const guests = state.guests ? '<input type="button" value="Guest Mode">' : '';
  return `<!DOCTYPE html>
<html lang="en"><head><meta charset="UTF-8"><title>ComfyUI Login</title></head>
<body>${state.wrong ? '<p>Wrong Password.</p>' : ''}${greeting}
<form action="/login" method="post"><input type="hidden" name="guest_mode">${name}
<input type="password" name="password" required><input type="submit" value="Login">${guests}</form>
</body></html>`;
}

/** The routes and the guard that ComfyUI-Login adds to ComfyUI. */
export class Login {
  readonly #options: LoginOptions;
  #key: string;

  constructor(options: LoginOptions) {
    this.#options = options;
    this.#key = options.key;
  }

  /** Signs with another key from now on: every session of before has ended. */
  useKey(key: string): void {
    this.#key = key;
  }

  /** Whether a request comes from a session that has logged in. */
  isLoggedIn(exchange: Exchange): boolean {
    return this.#session(exchange).logged_in === true;
  }

  /** Answers a request of its own routes; undefined where it is none. Throws where the node answers 500. */
  async route(exchange: Exchange): Promise<Reply | undefined> {
    const path = exchange.path.replace(/^\/api(?=\/)/, '');
    const reads = exchange.method === 'GET' || exchange.method === 'HEAD';
    if (path === '/login') {
      if (reads) return this.#page(exchange);
      if (exchange.method === 'POST') return this.#post(exchange);
    }
    if (path === '/logout' && reads) return this.#withSession(found('/login'), { logged_in: false });
    if (path === '/guest_mode' && reads) {
      return json({ guestMode: this.#session(exchange).guest_mode === true });
    }
    return undefined;
  }

  /**
   * The reply that keeps a request out; undefined lets it pass. Throws where the node answers 500.
   * @param exempts whether names of scripts and styles open every path, as they do without the guard.
   */
  refuse(exchange: Exchange, exempts = true): Reply | undefined {
    const { store, alwaysRedirect } = this.#options;
    const { path, method } = exchange;
    const suffixes = alwaysRedirect ? OPEN_SUFFIXES : OPEN_SUFFIXES_LATER;
    if (path === '/login') return undefined;
    if (exempts && suffixes.some((suffix) => path.endsWith(suffix))) return undefined;
    const { token } = store;
    const session = this.#session(exchange);
    if (session.logged_in === true) return undefined;
    if (session.guest_mode === true) {
      return method === 'GET' || (method === 'POST' && GUEST_POSTS.includes(path)) ? undefined : json({});
    }
    if (this.#hasToken(exchange, token)) return undefined;
    if (alwaysRedirect || exchange.header('accept')?.includes('text/html') === true)
      return { ...found('/login'), raised: true };
    return json({ error: 'Authentication required.' }, 401);
  }

  /** Bearer and `?token=` are looked at only where the origin is the one that CORS was enabled for. */
  #hasToken(exchange: Exchange, token: string): boolean {
    const { corsOrigin } = this.#options;
    if (corsOrigin !== undefined && corsOrigin !== '*' && corsOrigin !== exchange.header('origin'))
      return false;
    const header = exchange.header('authorization');
    if (header !== undefined && header !== '') {
      const [type, given, ...more] = split(header);
      if (given === undefined || more.length > 0) throw new Error('not enough values to unpack');
      if (type === 'Bearer' && given === token) return true;
    }
    return exchange.query.get('token') === token;
  }

  #page(exchange: Exchange): Reply {
    const { store } = this.#options;
    if (this.#session(exchange).logged_in === true) return { ...found('/'), raised: true };
    const first = !store.exists;
    return html(
      page({
        first,
        username: first ? undefined : store.username,
        wrong: (exchange.query.get('wrong_password') ?? '') !== '',
        guests: store.guestMode,
      }),
    );
  }

  async #post(exchange: Exchange): Promise<Reply> {
    const { store } = this.#options;
    const isForm = exchange.header('content-type')?.startsWith('application/x-www-form-urlencoded') === true;
    const form = new URLSearchParams(isForm ? (await exchange.body()).toString('utf8') : '');
    const password = form.get('password');
    const username = form.get('username') ?? undefined;
    if (password === null) throw new TypeError("'NoneType' object has no attribute 'encode'");
    if (form.get('guest_mode') === '1' && store.guestMode) {
      return this.#withSession(found('/'), { ...this.#session(exchange), guest_mode: true });
    }
    if (!store.exists) {
      store.setFirst(password, username);
      return this.#loggedIn(exchange, username);
    }
    if (!store.verify(password)) return found('/login?wrong_password=1');
    if (store.username === undefined) store.setUsername(username);
    return this.#loggedIn(exchange, store.username);
  }

  #loggedIn(exchange: Exchange, username: string | undefined): Reply {
    const session: Session = { ...this.#session(exchange), logged_in: true };
    return this.#withSession(found('/'), username === undefined ? session : { ...session, username });
  }

  #session(exchange: Exchange): Session {
    return readSession(this.#key, exchange.header('cookie'));
  }

  #withSession(reply: Reply, session: Session): Reply {
    return {
      ...reply,
      headers: { ...reply.headers, 'set-cookie': sessionCookie(this.#key, session) },
    };
  }
}
