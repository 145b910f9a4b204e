import { gzipSync } from 'node:zlib';
import {
  type Asking,
  always,
  breaking,
  bytesFor,
  closing,
  dripping,
  flooding,
  LOGIN_PAGE,
  onRequest,
  type Servers,
  STATS,
  soundButFor,
  type Wire,
  writing,
} from './scripted-servers.ts';
import { BRIEF, type Scenario } from './scripted-servers-answers.ts';

/** What lies behind a kept-open, a broken or an endless connection; the same bytes for every request. */
const toAll =
  (status: Scenario['status'], code: string, options = BRIEF) =>
  (name: string, wire: Wire): Scenario => ({
    name,
    status,
    code,
    options,
    start: (servers: Servers) => servers.raw(wire),
  });

/** A server that is sound but for the bytes that one of the gate's requests gets. */
const toOne = (
  asking: Asking,
  status: Scenario['status'],
  code: string | undefined,
  name: string,
  wire: Wire,
): Scenario => ({
  name: `${name}, for ${asking}`,
  status,
  ...(code !== undefined && { code }),
  // A proof must not end for want of time.
  options: status === 'not-ready' ? BRIEF : { timeout: '20s' },
  start: (servers) => servers.http(bytesFor(asking, wire)),
});

const notYet = toAll('not-ready', 'not-ready');
const open = toAll('open', 'open', { timeout: '20s' });

/** What an operator may have set for the sake of another program. */
const LENIENT = { NODE_OPTIONS: '--insecure-http-parser --max-http-header-size=1000000' };

const CLOSED = 'HTTP/1.1 401 Unauthorized\r\n';
const GOOD = 'HTTP/1.1 200 OK\r\n';

const bomb = gzipSync(Buffer.alloc(20_000_000));
const gzipped =
  (encoding: 'content-encoding' | 'transfer-encoding'): Wire =>
  (socket) => {
    socket.write(`${GOOD}${encoding}: gzip\r\nconnection: close\r\n\r\n`);
    socket.end(bomb);
  };

/** Not one of these is an answer: nothing follows from it, however often it comes. */
export const NO_ANSWER: Scenario[] = [
  notYet('accepts and says nothing', () => undefined),
  notYet('resets before it is asked', breaking()),
  notYet('resets when it is asked', onRequest(breaking())),
  notYet('closes when it is asked', onRequest(closing(''))),
  notYet('resets in the status line', onRequest(breaking('HTTP/1.1 40'))),
  notYet('resets in the header', onRequest(breaking(`${CLOSED}x: `))),
  notYet('resets in the body', onRequest(breaking(`${CLOSED}content-length: 500\r\n\r\n{}`))),
  notYet('claims more than it sends', onRequest(closing(`${CLOSED}content-length: 500\r\n\r\n{}`))),
  notYet('claims a negative length', onRequest(writing(`${CLOSED}content-length: -1\r\n\r\n{}`))),
  notYet(
    'claims two lengths',
    onRequest(writing(`${CLOSED}content-length: 1\r\ncontent-length: 2\r\n\r\n{}`)),
  ),
  notYet(
    'claims a length and chunks',
    onRequest(writing(`${CLOSED}content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n{}`)),
  ),
  toAll('not-ready', 'not-ready', { ...BRIEF, env: LENIENT })(
    'claims a length and chunks, where Node is told to be lenient',
    onRequest(writing(`${CLOSED}content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`)),
  ),
  toAll('not-ready', 'not-ready', { ...BRIEF, env: LENIENT })(
    'sends a header of 200 kB, where Node is told to take it',
    onRequest(writing(`${CLOSED}content-length: 0\r\nx: ${'a'.repeat(200_000)}\r\n\r\n`)),
  ),
  notYet(
    'sends garbage for a chunk',
    onRequest(writing(`${CLOSED}transfer-encoding: chunked\r\n\r\nzz\r\n{}`)),
  ),
  notYet('never ends a chunk', onRequest(writing(`${CLOSED}transfer-encoding: chunked\r\n\r\nff\r\n{}`))),
  notYet(
    'sends an extension of a chunk without end',
    onRequest(flooding(`${CLOSED}transfer-encoding: chunked\r\n\r\n1;`)),
  ),
  notYet(
    'sends trailers without end',
    onRequest(flooding(`${CLOSED}transfer-encoding: chunked\r\n\r\n0\r\n`, 'x: y\r\n'.repeat(1000))),
  ),
  notYet('speaks another protocol', writing('SSH-2.0-OpenSSH_9.2\r\n')),
  notYet('speaks HTTP/0.9', onRequest(closing(STATS))),
  notYet('speaks HTTP/2', writing(Buffer.from('000012040000000000', 'hex'))),
  notYet('says 1000', onRequest(closing('HTTP/1.1 1000 What\r\n\r\n'))),
  notYet('says nothing but words', onRequest(closing('HTTP/1.1 OK\r\n\r\n'))),
  notYet('drips its status line', onRequest(dripping('HTTP/1.1 401 U'))),
  notYet('drips its header', onRequest(dripping(`${CLOSED}x: `))),
  notYet('drips headers', onRequest(dripping(CLOSED, 'x: y\r\n'))),
  notYet('drips its body', onRequest(dripping(`${CLOSED}content-length: 99999\r\n\r\n`))),
  notYet('sends a header of 200 kB', onRequest(writing(`${CLOSED}x: ${'a'.repeat(200_000)}\r\n\r\n`))),
  notYet('sends headers without end', onRequest(flooding(CLOSED, 'x: y\r\n'.repeat(10_000)))),
  notYet(
    'sends cookies without end',
    onRequest(flooding(CLOSED, `set-cookie: S=${'x'.repeat(500)}\r\n`.repeat(100))),
  ),
  notYet('says that it continues, without end', flooding('', 'HTTP/1.1 100 Continue\r\n\r\n'.repeat(1000))),
  notYet(
    'sends early hints, without end',
    flooding('', 'HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n'.repeat(1000)),
  ),
  notYet(
    'switches protocols',
    onRequest(writing('HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n')),
  ),
  toOne(
    'bearer',
    'not-ready',
    'not-ready',
    'resets in the body',
    breaking(`${GOOD}content-length: 99\r\n\r\n{`),
  ),
  toOne(
    'bearer',
    'not-ready',
    'not-ready',
    'drips its body',
    dripping(`${GOOD}content-length: 99999\r\n\r\n`),
  ),
  toOne('login-page', 'not-ready', 'not-ready', 'resets', breaking()),
  toOne('form', 'not-ready', 'not-ready', 'resets', breaking()),
];

/** A 2xx to one who has no credential is enough, however its answer goes on. */
export const OPEN_WIRE: Scenario[] = [
  open('200 in HTTP/1.0', onRequest(closing(`HTTP/1.0 200 OK\r\n\r\n${STATS}`))),
  open('200 that breaks off', onRequest(breaking(`${GOOD}content-length: 9999\r\n\r\n{`))),
  open('200 whose body never comes', onRequest(writing(`${GOOD}content-length: 9999\r\n\r\n{`))),
  open('200 that drips', onRequest(dripping(`${GOOD}\r\n`))),
  open('200 without end', onRequest(flooding(`${GOOD}\r\n`))),
  open('200 with garbage for chunks', onRequest(writing(`${GOOD}transfer-encoding: chunked\r\n\r\nzz\r\n`))),
  open('200 and a bomb', onRequest(gzipped('content-encoding'))),
  toOne('empty-token', 'open', 'open-by-empty-token', '200 without end', flooding(`${GOOD}\r\n`)),
  toOne('wrong-bearer', 'open', 'wrong-bearer-accepted', '200 that drips', dripping(`${GOOD}\r\n`)),
];

/** An answer, and yet not ComfyUI's. */
export const TOO_MUCH: Scenario[] = [
  toAll('refused', 'bearer-refused', { timeout: '20s' })(
    '401 without end',
    onRequest(flooding(`${CLOSED}\r\n`)),
  ),
  toOne('bearer', 'unknown', 'not-comfyui', 'a body without end', flooding(`${GOOD}\r\n`)),
  toOne(
    'bearer',
    'unknown',
    'not-comfyui',
    'stats without end',
    flooding(`${GOOD}\r\n${STATS}`, ' '.repeat(65_536)),
  ),
  toOne('bearer', 'unknown', 'not-comfyui', 'a bomb that nobody asked for', gzipped('content-encoding')),
  toOne('bearer', 'unknown', 'not-comfyui', 'a bomb as its transfer', gzipped('transfer-encoding')),
  toOne('login-page', 'unknown', 'not-comfyui', 'a page without end', flooding(`${GOOD}\r\n${LOGIN_PAGE}`)),
  {
    name: 'a login page whose end nobody reads',
    status: 'unknown',
    code: 'not-comfyui',
    start: (servers) =>
      servers.http(
        soundButFor('login-page', always(200, `${LOGIN_PAGE}${' '.repeat(70_000)}<input name="username">`)),
      ),
  },
  toOne('form', 'unknown', 'not-comfyui', 'a page without end', flooding(`${GOOD}\r\n`)),
];
