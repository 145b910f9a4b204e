import {
  always,
  asked,
  BEARER,
  freePort,
  type Handler,
  LOGIN_PAGE,
  reply,
  type Servers,
  STATS,
  soundBut,
  soundButFor,
} from './scripted-servers.ts';
import type { AskOptions } from './scripted-servers-ask.ts';

/** Where a server is, or will be. */
export interface Started {
  url: string;
  /** Is given what the gate says on its way. */
  onSaid: (text: string) => void;
}

/** A server, and what the gate must say of it. */
export interface Scenario {
  name: string;
  start: (servers: Servers) => Promise<string | Started>;
  status: 'proved' | 'open' | 'refused' | 'not-ready' | 'down' | 'unknown';
  /** The code of the last finding; a proof has none. */
  code?: string;
  options?: AskOptions;
}

/** For a server of which only the deadline tells. */
export const BRIEF: AskOptions = { timeout: '800ms' };

const row =
  (status: Scenario['status'], options?: AskOptions) =>
  (name: string, code: string, handler: Handler): Scenario => ({
    name,
    status,
    code,
    start: (servers) => servers.http(handler),
    ...(options !== undefined && { options }),
  });

const open = row('open');
const refused = row('refused');
const foreign = row('unknown');
const notYet = row('not-ready', BRIEF);

const nobody = async () => `http://127.0.0.1:${await freePort()}`;

const HTML = '<!DOCTYPE html><title>Welcome</title>';
const ERROR = '{"error": "Authentication required."}';
const JSON_TYPE = { 'content-type': 'application/json' };

const openWhere = (lets: (what: ReturnType<typeof asked>) => boolean) =>
  soundBut((request, response) => lets(asked(request)) && !!reply(response, 200, STATS));

/** A login page of one's own; where the form is posted all the same, the right answer comes too late. */
const page = (body: string, headers: object = {}) => soundButFor('login-page', always(200, body, headers));

const withBearer = (status: number, body = '', headers: object = {}) =>
  soundButFor('bearer', always(status, body, headers));

/** Rows of reliability.md §3, first column. */
export const OPEN: Scenario[] = [
  open('200 without', 'open', always(200, STATS)),
  open('200 without, as a page', 'open', always(200, HTML)),
  open('200 without, as an error', 'open', always(200, ERROR, JSON_TYPE)),
  open('204 without', 'open', always(204)),
  open('206 without', 'open', always(206, STATS)),
  open('299 without', 'open', always(299)),
  open('200 without, and a Location', 'open', always(200, '', { location: '/login' })),
  open('204 for ?token=', 'open-by-empty-token', soundButFor('empty-token', always(204))),
  open(
    '200 for ?token=',
    'open-by-empty-token',
    openWhere(({ query }) => query.get('token') === ''),
  ),
  open(
    '200 for any token',
    'open-by-empty-token',
    openWhere(({ query }) => query.has('token')),
  ),
  open(
    '200 for any bearer',
    'wrong-bearer-accepted',
    openWhere(({ bearer }) => bearer !== undefined),
  ),
  open('200 for a wrong bearer alone', 'wrong-bearer-accepted', soundButFor('wrong-bearer', always(200))),
  open(
    '200 for a bearer of the right length',
    'wrong-bearer-accepted',
    openWhere(({ bearer }) => bearer?.length === BEARER.length),
  ),
  open('the first visit', 'first-visit', page('<input name="username"><input name="password">')),
  open('the first visit, unquoted', 'first-visit', page('<input name=password><input name = username>')),
  open('a button for guests', 'guest-mode-on', page(`${LOGIN_PAGE}<input value="Guest Mode">`)),
  open(
    'any password in the form',
    'open',
    soundButFor('form', always(302, '', { location: '/', 'set-cookie': 'S=1' })),
  ),
];

export const REFUSED: Scenario[] = [
  refused('401 to all', 'bearer-refused', always(401, ERROR)),
  refused('403 to all', 'bearer-refused', always(403)),
  refused('302 to /login for all', 'bearer-refused', always(302, '', { location: '/login' })),
  refused('401 with the bearer', 'bearer-refused', withBearer(401)),
  refused('302 to /login with it', 'bearer-refused', withBearer(302, '', { location: '/login?next=%2F' })),
  refused('a PASSWORD of one line', 'password-file-malformed', page(`${LOGIN_PAGE} Also set a username`)),
  refused(
    'a form that takes no password',
    'password-refused',
    soundButFor('form', always(302, '', { location: '/login?wrong_password=1' })),
  ),
  refused('a form that answers 401', 'password-refused', soundButFor('form', always(401))),
  refused(
    'an origin that the bearer needs',
    'origin-required',
    soundBut((request, response) => {
      const wants = asked(request).bearer === BEARER && request.headers.origin !== 'https://ui.example';
      return wants && !!reply(response, 401, '', { 'access-control-allow-origin': 'https://ui.example' });
    }),
  ),
  refused(
    'an origin that no header can hold',
    'bearer-refused',
    withBearer(401, '', { 'access-control-allow-origin': 'https://ui.example/\xe9 x' }),
  ),
];

export const FOREIGN: Scenario[] = [
  foreign('200 HTML with the bearer', 'not-comfyui', withBearer(200, HTML)),
  foreign('204 with it', 'not-comfyui', withBearer(204)),
  foreign('206 with it', 'not-comfyui', withBearer(206, STATS)),
  foreign('broken JSON', 'not-comfyui', withBearer(200, '{"system": {')),
  foreign('JSON without a system', 'not-comfyui', withBearer(200, '{"system": null, "devices": []}')),
  foreign('JSON with a list for a system', 'not-comfyui', withBearer(200, '{"system": [], "devices": []}')),
  foreign('JSON with an empty system', 'not-comfyui', withBearer(200, '{"system": {}, "devices": []}')),
  foreign(
    'JSON with words for devices',
    'not-comfyui',
    withBearer(200, '{"system": {"comfyui_version": "1"}, "devices": ["cuda"]}'),
  ),
  foreign('JSON in JSON', 'not-comfyui', withBearer(200, JSON.stringify(STATS))),
  foreign('JSON behind a page', 'not-comfyui', withBearer(200, `${HTML}${STATS}`)),
  foreign('a login page without a form', 'not-comfyui', page('<p>hello</p>')),
  foreign('a form that answers 200', 'not-comfyui', soundButFor('form', always(200, STATS))),
  foreign(
    'a form that gives a cookie with 200',
    'not-comfyui',
    soundButFor('form', always(200, '', { 'set-cookie': 'S=1' })),
  ),
  foreign(
    'a form that leads to / without a cookie',
    'redirected',
    soundButFor('form', always(302, '', { location: '/' })),
  ),
  foreign('302 to a page of its own', 'redirected', always(302, '', { location: '/login/elsewhere' })),
  { ...foreign('404 to all', 'not-comfyui', always(404)), options: BRIEF },
  { ...foreign('407 to all', 'not-comfyui', always(407)), options: BRIEF },
];

export const NOT_YET: Scenario[] = [
  { name: 'nothing listens', status: 'down', code: 'down', options: BRIEF, start: nobody },
  notYet('500 to all', 'not-ready', always(500)),
  notYet('503 to all, with a page', 'not-ready', always(503, LOGIN_PAGE)),
  notYet('429 to all', 'not-ready', always(429)),
  notYet('429 to all, for an hour', 'not-ready', always(429, '', { 'retry-after': '3600' })),
  notYet('429 to all, for a time without end', 'not-ready', always(429, '', { 'retry-after': '1e999' })),
  notYet('500 with the bearer', 'header-malformed', withBearer(500)),
  notYet('503 with the bearer', 'not-ready', withBearer(503)),
  notYet('503 for a wrong bearer', 'not-ready', soundButFor('wrong-bearer', always(503))),
  notYet('503 for the login page', 'not-ready', soundButFor('login-page', always(503))),
  notYet('503 for the form', 'not-ready', soundButFor('form', always(503))),
];
