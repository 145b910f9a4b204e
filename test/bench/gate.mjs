import { spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { median, quantile, report } from './measure.mjs';

const require = createRequire(import.meta.url);
const waitOn = require.resolve('wait-on/bin/wait-on');

/** Runs of the proof at random delays; the others say the same each time, and need fewer. */
const RUNS = 50;
const FEW_RUNS = 10;

/** Starts a Node program; `moment(pattern)` is when its stderr first says so, `ended` when it is over. */
function start(args) {
  const child = spawn(process.execPath, args, {
    env: { PATH: process.env.PATH, HOME: process.env.HOME },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const waiting = [];
  let said = '';
  child.stderr.on('data', (chunk) => {
    said += chunk;
    for (const { pattern, done } of waiting) if (pattern.test(said)) done(performance.now());
  });
  const moment = (pattern) => new Promise((done) => waiting.push({ pattern, done }));
  const ended = new Promise((done) => child.on('close', () => done(performance.now())));
  return { moment, ended };
}

/** A port on which nothing listens until it is told. */
async function absent(core, servers, handler) {
  const port = await core.freePort();
  return { url: `http://127.0.0.1:${port}`, appear: () => servers.http(handler, port) };
}

/** The published port of a container: it resets every connection until something listens behind it. */
async function published(_core, servers, handler) {
  const server = servers.handling(handler);
  let there = false;
  const url = await servers.raw((socket) =>
    there ? server.emit('connection', socket) : socket.resetAndDestroy(),
  );
  const appear = () => {
    there = true;
  };
  return { url, appear };
}

/**
 * Lets the command wait for a server that is not there yet, and starts it at a random moment.
 * Gives when it listened, and what was begun to watch it.
 */
async function meet(core, cli, handler, { place = absent, watch = () => [] } = {}) {
  const root = core.gateDeployment();
  const servers = new core.Servers();
  try {
    const { url, appear } = await place(core, servers, handler);
    const probe = start([cli, 'probe', '--json', '--root', root, '--url', url, '--timeout', '30s']);
    const first = probe.moment(/round 1 of 3 good/);
    const others = watch(url);
    await probe.moment(/comfy: (down|not-ready)/);
    await new Promise((done) => setTimeout(done, 300 + Math.random() * 1000));
    await appear();
    const listens = performance.now();
    const [ended, ...rest] = await Promise.all([probe.ended, ...others.map((one) => one.ended)]);
    const good = await Promise.race([first, Promise.resolve(undefined)]);
    return { good: good - listens, ended: ended - listens, others: rest.map((one) => one - listens) };
  } finally {
    await servers.close();
    rmSync(root, { recursive: true, force: true });
  }
}

/** From a server's first good answer to the first good round, beside wait-on, which waits for any answer at all. */
async function firstProof(core, cli) {
  const [ours, theirs] = [[], []];
  for (let run = 0; run < RUNS; run++) {
    const watch = (url) => [start([waitOn, url.replace('http:', 'http-get:').concat('/login')])];
    const { good, others } = await meet(core, cli, core.sound, { watch });
    ours.push(good);
    theirs.push(others[0]);
  }
  const [own, other] = [ours, theirs].map((figures) => quantile(figures, 0.95));
  console.log(
    `      medians: ${median(ours).toFixed(0)} ms; wait-on ${median(theirs).toFixed(0)} ms, its p95 ${other.toFixed(0)} ms`,
  );
  report('a server that starts, to its first good round, p95', own, 150, 'ms');
  report('the same, against wait-on', own / other, 1);
}

/** The same where a proxy listens all the time, as Docker does for a port that it publishes. */
async function firstProofPublished(core, cli) {
  const figures = [];
  for (let run = 0; run < RUNS; run++) {
    figures.push((await meet(core, cli, core.sound, { place: published })).good);
  }
  report('behind the published port of a container, p95', quantile(figures, 0.95), 150, 'ms');
}

/** A verdict that no waiting can better: until the process is over, with its report. */
async function verdict(core, cli, what, handler) {
  const figures = [];
  for (let run = 0; run < FEW_RUNS; run++) figures.push((await meet(core, cli, handler)).ended);
  report(what, Math.max(...figures), 2000, 'ms');
}

/** How soon the gate says what it has found. */
export async function gate(core, cli) {
  await firstProof(core, cli);
  await firstProofPublished(core, cli);
  const refuses = core.soundButFor('bearer', core.always(401));
  await verdict(core, cli, 'a server that refuses the credential, to the end of probe, at most', refuses);
  await verdict(core, cli, 'an open server, to the end of probe, at most', core.always(200, core.STATS));
}
