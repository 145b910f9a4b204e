import { once } from 'node:events';
import { chmodSync, cpSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import bcrypt from 'bcryptjs';
import { median, quantile, report, timed } from './measure.mjs';

const ROUNDS = 50;
const WATCHED_ROUNDS = 20;
const VARIABLES = { password: 'COMFYUI_PASSWORD_FILE', hash: 'COMFYUI_BEARER_TOKEN_FILE' };

/** Asks with a bearer until it is refused; gives when. It leaves the processors to those who are at work on that. */
async function refused(client, headers) {
  for (;;) {
    const { status } = await client.ask('/queue', headers);
    if (status === 401) return performance.now();
    await setTimeout(2);
    if (status !== 200) throw new Error(`/queue: ${status}`);
  }
}

function figures(what, times) {
  for (const share of [0.5, 0.95]) {
    report(`${what}, p${share * 100}`, quantile(times, share), 500, 'ms');
  }
}

/** From the file's replacement to the old bearer being refused, by each of the guard's triggers. */
export async function reloads(core, serve) {
  const served = await serve(core, { cost: 4 });
  const { rig, server, client } = served;
  const aside = new core.LoadClient(server.port);
  let current = served.hash;
  const rounds = async (trigger) => {
    const times = [];
    for (let round = 0; round < ROUNDS; round++) {
      const { hash } = core.freshPair();
      const start = performance.now();
      rig.publish(hash);
      const triggered = trigger(hash);
      times.push((await refused(client, core.bearer(current))) - start);
      await triggered;
      current = hash;
    }
    return times;
  };
  try {
    const asked = await rounds((hash) => aside.ask('/reload_token', core.bearer(hash), ''));
    figures('PASSWORD replaced and POST /reload_token, to the old bearer refused', asked);
    const signalled = await rounds(async () => server.signal('SIGHUP'));
    figures('PASSWORD replaced and SIGHUP, to the old bearer refused', signalled);
  } finally {
    aside.close();
    await served.remove();
  }
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

/** The entrypoint, with a folder of secrets that it watches: files that hold these parts of a credential. */
async function startEntrypoint(core, program, given) {
  const rig = new core.LoadRig(core.LOGIN_NODES.at(-1));
  cpSync(core.GUARD, rig.guardFolder, { recursive: true, filter: (path) => !path.endsWith('__pycache__') });
  const [bin, secrets] = [join(rig.folder, 'venv', 'bin'), join(rig.folder, 'secrets')];
  for (const folder of [bin, secrets]) mkdirSync(folder, { recursive: true });
  writeFileSync(join(bin, 'python'), `#!/bin/sh\nPYTHONDONTWRITEBYTECODE=1 exec '${core.PYTHON}' "$@"\n`);
  chmodSync(join(bin, 'python'), 0o755);
  const port = await freePort();
  /** Puts files in the place of the old ones. */
  const hand = (pair) => {
    for (const name of given) {
      const path = join(secrets, name);
      writeFileSync(`${path}.new`, pair[name]);
      renameSync(`${path}.new`, path);
    }
  };
  const env = {
    PATH: process.env.PATH,
    COMFYUI_DIR: rig.folder,
    COMFYUI_PORT: String(port),
    RUN_DIR: join(rig.folder, 'run'),
    GUARD_COPY: 'off',
    ...Object.fromEntries(given.map((name) => [VARIABLES[name], join(secrets, name)])),
  };
  return { rig, port, hand, start: () => new core.Running([program, 'run'], env) };
}

/** The same by the entrypoint, which sees that files of the credential were replaced. */
async function watched(core, program, given) {
  const { rig, port, hand, start } = await startEntrypoint(core, program, given);
  let current = freshPair(core);
  hand(current);
  const running = start();
  const client = new core.LoadClient(port, { maxSockets: 1 });
  try {
    await running.said(/^ready/m);
    const times = [];
    for (let round = 1; round <= WATCHED_ROUNDS; round++) {
      const next = freshPair(core);
      const start = performance.now();
      hand(next);
      const ended = await refused(client, core.bearer(current.hash));
      times.push({ ms: ended - start, bcryptMs: next.bcryptMs });
      current = next;
      await running.saidTimes('rotated', round);
    }
    return times;
  } finally {
    client.close();
    await running.stop();
    await rig.remove();
  }
}

/** A pair as a deployment has it, and the milliseconds that a check of it takes now. */
function freshPair(core) {
  const { password } = core.freshPair();
  const hash = bcrypt.hashSync(password, 12);
  return { password, hash, bcryptMs: timed(() => bcrypt.compareSync(password, hash)) };
}

/** With the bearer alone, and with the password: whether they belong together costs the entrypoint one bcrypt. */
export async function watchedReloads(core, program) {
  const alone = await watched(core, program, ['hash']);
  figures(
    'a watched file with the bearer replaced, to the old bearer refused',
    alone.map(({ ms }) => ms),
  );
  const both = await watched(core, program, ['password', 'hash']);
  const [whole, check] = [both.map(({ ms }) => ms), both.map(({ bcryptMs }) => bcryptMs)].map(median);
  console.log(
    `      with the password as well, at the median: ${whole.toFixed(0)} ms; one bcrypt ${check.toFixed(0)} ms`,
  );
  figures(
    'watched files with password and bearer replaced, to the old bearer refused, without one bcrypt',
    both.map(({ ms, bcryptMs }) => ms - bcryptMs),
  );
}
