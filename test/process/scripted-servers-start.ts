import type { IncomingMessage } from 'node:http';
import {
  always,
  asked,
  BEARER,
  breaking,
  freePort,
  type Handler,
  reply,
  type Servers,
  STATS,
  sound,
  soundBut,
  soundButFor,
} from './scripted-servers.ts';
import { BRIEF, type Scenario, type Started } from './scripted-servers-answers.ts';

const by =
  (handler: () => Handler): Scenario['start'] =>
  (servers) =>
    servers.http(handler());

/** Another handler for the requests of which the number is told. */
function numbered(odd: (number: number, request: IncomingMessage) => Handler | undefined): Handler {
  let number = 0;
  return (request, response) => (odd(++number, request) ?? sound)(request, response);
}

/** So many requests are answered so, and all the others well. */
const first =
  (count: number, handler: Handler): Scenario['start'] =>
  (servers) =>
    servers.http(numbered((number) => (number <= count ? handler : undefined)));

const proved = (name: string, start: Scenario['start']): Scenario => ({ name, status: 'proved', start });

const http10: Handler = (request, response) => {
  response.useChunkedEncodingByDefault = false;
  return sound(request, response);
};

const headers = (count: number) =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`x${i}`, 'y']));

/** Each of these is protected, and answers the credential. */
export const SOUND: Scenario[] = [
  proved(
    'is proven',
    by(() => sound),
  ),
  proved(
    'in HTTP/1.0',
    by(() => http10),
  ),
  proved('by name', async (servers) => (await servers.http(sound)).replace('127.0.0.1', 'localhost')),
  proved(
    'that redirects to /login',
    by(() =>
      soundBut((request, response) => {
        const { path, bearer } = asked(request);
        return path !== '/login' && bearer !== BEARER && !!reply(response, 302, '', { location: '/login' });
      }),
    ),
  ),
  proved(
    'with a thousand headers',
    by(() => soundButFor('anonymous', always(401, '', headers(1000)))),
  ),
  proved(
    'with many cookies',
    by(() => soundButFor('anonymous', always(401, '', { 'set-cookie': Array(500).fill('S=1') }))),
  ),
  proved(
    'that lets HEAD through, which nobody asks',
    by(() => soundBut((request, response) => request.method === 'HEAD' && !!reply(response, 200))),
  ),
  proved(
    'that says first that it continues, ten times',
    by(() =>
      soundBut((_, response) => {
        for (let i = 0; i < 10; i++) response.writeContinue();
        response.writeEarlyHints({ link: '</x>' });
      }),
    ),
  ),
  proved(
    'that throttles a wrong password',
    by(() => {
      let posts = 0;
      return soundBut(
        (request, response) => request.method === 'POST' && ++posts === 2 && !!reply(response, 429),
      );
    }),
  ),
  {
    ...proved(
      'that wants its origin',
      by(() =>
        soundBut(
          (request, response) =>
            asked(request).bearer === BEARER &&
            request.headers.origin !== 'https://ui.example' &&
            !!reply(response, 401),
        ),
      ),
    ),
    options: { origin: 'https://ui.example' },
  },
];

/** Listens where nothing did, once the gate says so. */
async function late(servers: Servers): Promise<Started> {
  const port = await freePort();
  let started = false;
  return {
    url: `http://127.0.0.1:${port}`,
    onSaid: (text) => {
      if (started || !text.includes('comfy: down')) return;
      started = true;
      void servers.http(sound, port);
    },
  };
}

/** Breaks off the first connections, as the port of a container does in which nothing listens yet. */
async function published(servers: Servers): Promise<string> {
  let connections = 0;
  const server = servers.handling(sound);
  return servers.raw((socket) => {
    connections += 1;
    if (connections <= 10) breaking()(socket);
    else server.emit('connection', socket);
  });
}

export const SLOW_START: Scenario[] = [
  proved('that listens late', late),
  proved('that resets for a while', published),
  proved('that answers 503 for a while', first(5, always(503))),
  proved('that answers 500 for a while', first(5, always(500))),
  proved('that answers 404 for a while', first(5, always(404))),
  proved('that asks for patience', first(1, always(429, '', { 'retry-after': '1' }))),
  proved('that refuses all for a moment', first(4, always(401))),
  {
    name: 'that refuses all for longer: as the credential would be',
    status: 'refused',
    code: 'bearer-refused',
    start: first(40, always(401)),
  },
  {
    name: 'that shows a page to all while it starts: open all the same',
    status: 'open',
    code: 'open',
    start: first(5, always(200, '<!DOCTYPE html><p>Starting…</p>')),
  },
  {
    name: 'that gives a page for the bearer while it starts',
    status: 'unknown',
    code: 'not-comfyui',
    start: first(40, soundButFor('bearer', always(200, '<p>Starting…</p>'))),
  },
];

const openNow: Handler = always(200, STATS);

/** Several processes behind one port, which take the requests in turn. */
const inTurn = (...handlers: Handler[]): Scenario['start'] =>
  by(() => numbered((number) => handlers[number % handlers.length]));

const openAt = (number: number): Scenario => ({
  name: `open for request ${number} alone`,
  status: 'open',
  code: number % 5 === 1 ? 'open' : number % 5 === 2 ? 'open-by-empty-token' : 'wrong-bearer-accepted',
  start: by(() => numbered((now) => (now === number ? openNow : undefined))),
});

const otherCredential: Handler = soundButFor('bearer', always(401));

const flapping = (
  name: string,
  status: Scenario['status'],
  code: string,
  start: Scenario['start'],
): Scenario => ({ name, status, code, start, ...(status === 'not-ready' && { options: BRIEF }) });

/** None of these is proven: a round is good only where all of it is. */
export const FLAPPING: Scenario[] = [
  // Five requests a round: the first three must be refused.
  ...[1, 2, 3, 6, 7, 8, 11, 12, 13].map(openAt),
  flapping('good every other time, else 503', 'not-ready', 'not-ready', inTurn(always(503), sound)),
  flapping('good two times of three, else 503', 'not-ready', 'not-ready', inTurn(always(503), sound, sound)),
  flapping('good six times of seven', 'not-ready', 'not-ready', inTurn(always(503), ...Array(6).fill(sound))),
  flapping('good every other time, else open', 'open', 'open-by-empty-token', inTurn(openNow, sound)),
  flapping('one process of three open', 'open', 'wrong-bearer-accepted', inTurn(openNow, sound, sound)),
  flapping('one process of four open', 'open', 'wrong-bearer-accepted', inTurn(openNow, sound, sound, sound)),
  flapping('another credential from round 3 on', 'refused', 'bearer-refused', from(11, otherCredential)),
  flapping('sound, and gone after two rounds', 'not-ready', 'not-ready', goneAfter(10)),
  flapping('sound, and gone before the form', 'not-ready', 'not-ready', goneAfter(16)),
];

/** Sound at first; from that request on another process answers. */
function from(first: number, other: Handler): Scenario['start'] {
  return by(() => numbered((number) => (number < first ? undefined : other)));
}

function goneAfter(count: number): Scenario['start'] {
  return from(count + 1, (request) => breaking()(request.socket));
}
