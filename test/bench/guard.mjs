import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import bcrypt from 'bcryptjs';
import { build } from 'esbuild';
import { floods } from './guard-floods.mjs';
import { reloads, watchedReloads } from './guard-reloads.mjs';
import { median, report } from './measure.mjs';

const project = resolve(import.meta.dirname, '..', '..');
const folder = join(project, 'test', 'system', 'guard');
const MB = 1024 * 1024;
const BLOCK = 100;
const TRANSFERS = 9;
const PAIRS = 5;

/** The tests' own way to start ComfyUI's server with the login node, and the guard or none. */
const SOURCE = `
export { Running } from '../../process/entrypoint-harness.ts';
export { answerTo, bearer, LoadClient } from './load-client.ts';
export { startFlood } from './load-flood.ts';
export { LoadRig } from './load-rig.ts';
export { EchoSocket } from './load-socket.ts';
export { freshPair } from './load-valid.ts';
export { PYTHON, withoutPython } from './python.ts';
export { GUARD, LOGIN_NODES } from './rig.ts';
`;

async function tests(scratch) {
  const outfile = join(scratch, 'guard.cjs');
  await build({
    stdin: { contents: SOURCE, resolveDir: folder, loader: 'ts' },
    outfile,
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
    mainFields: ['module', 'main'],
    define: { 'import.meta.dirname': JSON.stringify(folder) },
    logLevel: 'warning',
  });
  return createRequire(import.meta.url)(outfile);
}

/** A server, and who may come in there. */
async function serve(core, { guard = true, cost = 12, env = {} } = {}) {
  const rig = new core.LoadRig(core.LOGIN_NODES.at(-1));
  const hash = bcrypt.hashSync(rig.password, cost);
  rig.publish(hash);
  const server = await rig.start({ guard, env });
  const client = new core.LoadClient(server.port, { maxSockets: 1 });
  const remove = async () => {
    client.close();
    await rig.remove();
  };
  return { rig, server, client, hash, password: rig.password, bearer: core.bearer(hash), remove };
}

/** The milliseconds of requests to each of several servers, in blocks by turns: a slow moment hits all alike. */
async function byTurns(count, asks) {
  const figures = asks.map(() => []);
  for (const [i, ask] of asks.entries()) await ask(BLOCK, i);
  for (let asked = 0; asked < count; asked += BLOCK) {
    for (const [i, ask] of asks.entries()) figures[i].push(...(await ask(BLOCK)));
  }
  return figures.map(median);
}

/** What the guard adds to a request, over several pairs: one process is faster than its like all its life long. */
async function requests(core, pairs) {
  const logins = pairs.flat().map(async (one) => {
    one.session = { cookie: await one.client.session(one.password) };
  });
  await Promise.all(logins);
  const bearer = (one) => one.bearer;
  const session = (one) => one.session;
  const ways = {
    'a bearer': [5000, bearer, bearer],
    'a session': [2000, session, session],
    'a password as bearer, against the bearer': [2000, (one) => core.bearer(one.password), bearer],
  };
  for (const [what, [count, ...headers]] of Object.entries(ways)) {
    const ask = (one, i) => (some) => one.client.times(some, '/queue', headers[i % 2](one));
    const figures = await byTurns(count / pairs.length, pairs.flat().map(ask));
    const [own, direct] = [0, 1].map((rest) => median(figures.filter((_, i) => i % 2 === rest)));
    console.log(
      `      medians of ${count} requests with ${what}: ${own.toFixed(3)}, ${direct.toFixed(3)} ms`,
    );
    report(`a request with ${what}, added by the guard at the median`, own - direct, 0.1, 'ms');
  }
}

/** Sends so many MB; the handler has the first long before the last is sent, or this never ends. */
async function upload(core, { client, rig, server, bearer }, size, block, digest) {
  const aside = new core.LoadClient(server.port);
  const id = randomBytes(8).toString('hex');
  const start = performance.now();
  const asked = client.begin(`/load/upload/${id}`, { method: 'POST', headers: bearer });
  const answered = core.answerTo(asked);
  for (let sent = 0; sent < size; sent += block.length) {
    if (!asked.write(block)) await once(asked, 'drain');
    if (sent === 0) await aside.ask(`/load/begun/${id}`, bearer);
  }
  asked.end();
  const { status, body } = await answered;
  const ms = performance.now() - start;
  aside.close();
  if (status !== 200 || body !== digest) throw new Error(`the upload to ${rig.folder}: ${status}, ${body}`);
  return ms;
}

async function streams(core, guarded, bare) {
  const [size, block] = [100 * MB, randomBytes(MB)];
  const hash = createHash('sha256');
  for (let sent = 0; sent < size; sent += block.length) hash.update(block);
  const digest = hash.digest('hex');
  const figures = [[], []];
  for (let round = 0; round < TRANSFERS; round++) {
    for (const [i, served] of [guarded, bare].entries()) {
      figures[i].push(await upload(core, served, size, block, digest));
    }
  }
  const [own, direct] = figures.map((times) => Math.min(...times));
  console.log(`      100 MB: ${own.toFixed(0)} ms with the guard, ${direct.toFixed(0)} ms without`);
  report(`an upload of 100 MB, best of ${TRANSFERS}, against without the guard`, own / direct, 1.15);
  await messages(core, guarded, bare);
}

/** Messages of a WebSocket, there and back. */
async function messages(core, guarded, bare) {
  const text = 'x'.repeat(1000);
  const sockets = [];
  for (const { client, bearer } of [guarded, bare]) {
    sockets.push(await core.EchoSocket.open(client, '/load/echo', bearer));
  }
  const echo = (socket) => async (count) => {
    const times = [];
    for (let said = 0; said < count; said++) {
      const start = performance.now();
      if ((await socket.echo(text)) !== text) throw new Error('a WebSocket said something else');
      times.push(performance.now() - start);
    }
    return times;
  };
  const [own, direct] = await byTurns(5000, sockets.map(echo));
  report('a message of a WebSocket and its echo, against without the guard', own / direct, 1.15);
  for (const socket of sockets) socket.close();
}

/** What the guard costs, what it saves, and how soon it takes another credential. */
export async function guard(scratch) {
  const core = await tests(scratch);
  if (core.withoutPython()) {
    console.log(
      '      guard: left out, for want of a Python with the packages of test/guard/requirements.txt',
    );
    return;
  }
  const pairs = [];
  try {
    while (pairs.length < PAIRS) pairs.push([await serve(core), await serve(core, { guard: false })]);
    await requests(core, pairs);
    await streams(core, ...pairs[0]);
  } finally {
    await Promise.all(pairs.flat().map((one) => one.remove()));
  }
  await floods(core, serve);
  await reloads(core, serve);
  await watchedReloads(core, join(project, 'dist', 'entrypoint', 'index.cjs'));
}
