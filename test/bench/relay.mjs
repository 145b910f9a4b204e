import { fork } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream, createWriteStream, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, createServer, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { median, report } from './measure.mjs';

// Server, relay and client are processes of their own: this file again, with the part that it plays.

const MB = 1024 * 1024;
const TRANSFER = 16 * MB;
const ROUNDS = 100;
const PINGS = 20;
const self = fileURLToPath(import.meta.url);
const project = resolve(import.meta.dirname, '..', '..');

/** Does with its files what ComfyUI does: sends what lies there, and keeps what it is sent. */
async function serve({ folder }) {
  const image = join(folder, 'image');
  writeFileSync(image, Buffer.alloc(TRANSFER, 'x'));
  const answers = {
    '/down': async (_, response) => {
      response.setHeader('content-length', TRANSFER);
      await pipeline(createReadStream(image, { highWaterMark: 256 * 1024 }), response);
    },
    '/up': async (asked, response) => {
      await pipeline(asked, createWriteStream(join(folder, 'upload')));
      response.end('kept');
    },
    '/ping': async (_, response) => response.end('pong'),
  };
  const server = createServer((asked, response) => answers[asked.url](asked, response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  process.send(server.address().port);
}

/** Asks once, with a body where there is one, and reads the answer to its end. Gives the milliseconds. */
async function ask(agent, port, path, body) {
  const start = performance.now();
  const asked = request({ host: '127.0.0.1', port, path, agent, method: body ? 'POST' : 'GET' });
  const answered = once(asked, 'response');
  for (let sent = 0; body && sent < TRANSFER; sent += body.length) {
    if (!asked.write(body)) await once(asked, 'drain');
  }
  asked.end();
  const [response] = await answered;
  response.resume();
  await once(response, 'end');
  return performance.now() - start;
}

/** The milliseconds of each download, upload and ping at each port, in turn: a slow moment hits all alike. */
async function measure({ ports }) {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const body = Buffer.alloc(256 * 1024, 'x');
  const figures = ports.map(() => ({ down: [], up: [], ping: [] }));
  for (let round = 0; round < ROUNDS; round++) {
    for (const [i, port] of ports.entries()) {
      figures[i].down.push(await ask(agent, port, '/down'));
      figures[i].up.push(await ask(agent, port, '/up', body));
      for (let ping = 0; ping < PINGS; ping++) figures[i].ping.push(await ask(agent, port, '/ping'));
    }
  }
  agent.destroy();
  process.send(figures);
}

/** The relay of the entrypoint, by itself in a program. */
const PROGRAM = `
import { freeLoopbackPort } from './entrypoint/expose/port.ts';
import { createRelay } from './entrypoint/expose/relay.ts';
const host = '127.0.0.1';
const { target } = JSON.parse(process.argv[2] ?? '');
freeLoopbackPort().then(async (port) => {
  await createRelay({ listen: { host, port }, target: { host, port: target }, log: console }).open();
  process.send?.(port);
});
`;

/** Starts a program; gives the first thing that it says. It is ended with the others. */
async function start(processes, file, args) {
  const child = fork(file, args);
  processes.push(child);
  const [said] = await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(([code]) => Promise.reject(new Error(`${args[0]} ended with ${code}`))),
  ]);
  return said;
}

/** What the relay costs: transfers and single requests through it, beside the same without it. */
export async function relay() {
  const folder = mkdtempSync(join(tmpdir(), 'comfyui-auth-bench-'));
  const processes = [];
  try {
    const outfile = join(folder, 'relay.cjs');
    const stdin = { contents: PROGRAM, resolveDir: project, loader: 'ts' };
    await build({ stdin, outfile, bundle: true, platform: 'node', target: 'node20', format: 'cjs' });
    const target = await start(processes, self, ['serve', JSON.stringify({ folder })]);
    const port = await start(processes, outfile, [JSON.stringify({ target })]);
    const ports = [target, port];
    const [direct, through] = await start(processes, self, ['measure', JSON.stringify({ ports })]);
    for (const [way, what] of Object.entries({ down: 'download', up: 'upload' })) {
      const [own, bare] = [through, direct].map((figures) => Math.min(...figures[way]));
      const speed = (ms) => `${((TRANSFER / MB / ms) * 1000).toFixed(0)} MB/s`;
      console.log(`      ${what}: ${speed(own)} through the relay, ${speed(bare)} direct`);
      report(`a ${what} through the relay, best of ${ROUNDS}, against direct`, own / bare, 1.25);
    }
    report(
      'a request through the relay, added at the median',
      median(through.ping) - median(direct.ping),
      1,
      'ms',
    );
  } finally {
    for (const child of processes) child.kill();
    rmSync(folder, { recursive: true, force: true });
  }
}

const parts = { serve, measure };
const [, program, part, options] = process.argv;
if (program === self && part in parts) await parts[part](JSON.parse(options));
