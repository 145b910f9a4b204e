import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import bcrypt from 'bcryptjs';
import { median, report, runNode, timed } from './measure.mjs';

const RUNS = 7;
const BCRYPT = createRequire(import.meta.url).resolve('bcryptjs');
/** ComfyUI itself takes so long to end after SIGINT (container.md §2); the stand-in takes none. */
const COMFYUI_END_MS = 1600;

/** What the entrypoint asks of Python takes these imports, whatever else it does. */
const IMPORTS =
  'import aiohttp, aiohttp_session, aiohttp_session.cookie_storage, jinja2, bcrypt, Crypto.Cipher, Crypto.Util.Padding';

/** Starts, waits for the proof, and ends; milliseconds from the start to each moment, memory, and events. */
async function boot(core, stage, env) {
  const start = performance.now();
  const running = stage.start(env);
  const since = () => performance.now() - start;
  await running.said(/"event":"starting"/);
  const spawn = since();
  await running.said(/To see the GUI go to/);
  const listens = since();
  await running.said(/"event":"ready"/);
  const ready = since();
  const { residentMb } = core.footprint(running.process.pid);
  const asked = performance.now();
  const code = await running.stop();
  if (code !== 0) throw new Error(`${code}\n${running.output}`);
  const events = running.stdout.split('\n').filter((line) => line.startsWith('{'));
  return {
    spawn,
    proof: ready - listens,
    stop: performance.now() - asked,
    residentMb,
    events: events.map((line) => JSON.parse(line)),
  };
}

/** Starts, waits for the proof, and ends; this often. */
async function several(core, stage, env, runs, between = () => undefined) {
  const boots = [];
  for (let run = 0; run < runs; run++) {
    between();
    boots.push(await boot(core, stage, env));
  }
  return (what) => boots.map(what);
}

/** A program that does what no start can do without, and nothing else: one bcrypt, while Python imports packages. */
function bareStart(stage) {
  const { folder, password } = stage.deployment;
  const program = join(folder, 'bare.cjs');
  const lines = [
    `require('child_process').spawn(${JSON.stringify(stage.python)}, ['-c', ${JSON.stringify(IMPORTS)}]);`,
    `const verifies = require(${JSON.stringify(BCRYPT)}).compareSync;`,
    `const [hash] = require('fs').readFileSync(${JSON.stringify(password)}, 'utf8').split('\\n');`,
    `if (!verifies(${JSON.stringify(stage.password)}, hash)) process.exit(1);`,
  ];
  writeFileSync(program, lines.join('\n'));
  return () => runNode([program]);
}

/** A warm boot, with all files in the system's cache. */
async function warmBoot(core, stage) {
  await boot(core, stage, {});
  const start = bareStart(stage);
  const hash = bcrypt.hashSync(stage.password, 12);
  const [starts, hashings] = [[], []];
  const of = await several(core, stage, {}, RUNS, () => {
    starts.push(timed(start));
    hashings.push(timed(() => bcrypt.compareSync(stage.password, hash)));
  });
  const spawns = of((one) => one.spawn);
  const [bare, hashing, spawn] = [starts, hashings, spawns].map(median);
  console.log(
    `      medians: spawn after ${spawn.toFixed(0)} ms; what no start can do without ${bare.toFixed(0)} ms, of it one bcrypt ${hashing.toFixed(0)} ms`,
  );
  report('boot: to the spawn of the child, against what no start can do without', spawn / bare, 1.6);
  // The least of several: what else is at work on the machine is no part of it.
  const least = (figures) => Math.min(...figures);
  report('boot: to the spawn of the child, at least', least(spawns) / 1000, 0.8, 's');
  // The login form is tried with a wrong password and with the right one.
  const proof = least(of((one) => one.proof)) - 2 * least(hashings);
  report('boot: listening to READY, without two bcrypts, at least', proof, 150, 'ms');
  report(
    'idle stop, with what ComfyUI takes',
    (median(of((one) => one.stop)) + COMFYUI_END_MS) / 1000,
    2.5,
    's',
  );
  report('resident memory when READY', median(of((one) => one.residentMb)), 60, 'MB');
  const relayed = await several(core, stage, { EXPOSE_MODE: 'relay' }, 3);
  report('resident memory when READY, with the relay', median(relayed((one) => one.residentMb)), 60, 'MB');
}

/** PyTorch out of the cache, beside the `pip install -r` at each boot of the predecessor. */
async function cachedTorch(core, stage) {
  const env = stage.layStore(12_000);
  const requirements = stage.layRequirements(19);
  const step = ({ events }) => events.find(({ event }) => event === 'torch-ready');
  const { tier } = step(await boot(core, stage, env));
  if (tier !== 'T1') throw new Error(`the store was not taken: ${tier}`);
  const pip = ['-m', 'pip', 'install', '--no-index', '--disable-pip-version-check', '-q', '-r', requirements];
  const pips = [];
  const steps = await several(core, stage, env, RUNS, () => {
    pips.push(timed(() => execFileSync(stage.python, pip)));
  });
  const figures = steps((one) => step(one).ms);
  const [ours, theirs] = [figures, pips].map(median);
  console.log(
    `      medians: ${ours.toFixed(0)} ms; pip with 22 packages that are all there ${theirs.toFixed(0)} ms`,
  );
  report('PyTorch of 12,000 files out of the cache, at least', Math.min(...figures) / 1000, 0.3, 's');
  report('the same, against pip install -r', ours / theirs, 0.5);
}

/** What a start takes, and what stays in memory. */
export async function entrypoint(core) {
  const stage = await core.BootStage.make();
  try {
    await warmBoot(core, stage);
    await cachedTorch(core, stage);
  } finally {
    stage.remove();
  }
}

/** A child that crashes again and again: minutes, so only by hand. */
export async function restarts(core, lives = 1000) {
  const deployment = await core.crashingDeployment();
  try {
    const { moments } = await core.crashAgainAndAgain(deployment, lives);
    const [early, late] = [moments.slice(90, 110), moments.slice(-20)];
    for (const what of ['descriptors', 'zombies']) {
      report(
        `${what} after ${lives} restarts, over those after 100`,
        core.least(late, what) - core.least(early, what),
        0,
        '',
      );
    }
    const [before, after] = [early, late].map((some) => core.least(some, 'residentMb'));
    console.log(`      resident: ${before.toFixed(1)} MB after 100, ${after.toFixed(1)} MB after ${lives}`);
    report(`resident memory after ${lives} restarts, against that after 100`, after / before, 1.15);
  } finally {
    deployment.remove();
  }
}
