// A sweep: every point of every scenario broken once in every way, each time recovered by a fresh process and judged.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { breakIn, killAt } from './break-in.mjs';
import { durabilityFaults } from './durability.mjs';
import { makePlace, observe, prepare, SCENARIOS, scenarioOf, scenarioPoints } from './scenarios.mjs';
import { run } from './strace.mjs';
import { leftovers, snapshot } from './tree.mjs';

const WORKERS = 2;
const ERRORS = ['EIO', 'ENOSPC'];
/** A call at which a kill or an error matters most: never left out by `--every`. */
const ALWAYS = /^(rename|fsync|fdatasync)/;

/** The ways to break a point, as expressions of strace. */
const WAYS = {
  kill: [killAt],
  errors: ERRORS.flatMap((error) =>
    ['', '+'].map((onwards) => (call) => `${call.name}:error=${error}:when=${call.ordinal}${onwards}`),
  ),
};

/** The exit codes with which a command may answer an error. */
const EXITS = [0, 2, 3, 5, 6];

/**
 * How a broken run ended: its exit code, or `killed`. Where all reads or writes fail from some call on, those of
 * Node's own event loop do too, and it aborts or waits for ever: for the files that is one kill more.
 */
function ending({ code, signal, expression }) {
  if (signal === 'SIGKILL' && expression.includes('SIGKILL')) return 'killed';
  const nodeItself = signal === 'SIGABRT' || signal === 'hung';
  if (nodeItself && /^(read|write|close):.*\+$/.test(expression)) return 'killed';
  return code ?? signal;
}

/** `old` or `new` where all of it is, else `mixed`; `of` names the part of the snapshots to compare. */
const which = (found, { old, fresh }, of) =>
  found[of] === old[of] ? 'old' : found[of] === fresh[of] ? 'new' : 'mixed';

/** Whether the files stand as the exit code says, before anything recovers. Exit 6 says it in words, a kill not at all. */
function keptPromise(exit, stood, before, scenario) {
  if (scenario.end === 'new') return stood === 'new';
  if (exit === 0) return stood === (scenario.end === 'old' ? 'old' : 'new');
  if (exit === 6 || exit === 'killed') return true;
  // A command that could not even begin to recover has changed nothing.
  return stood === 'old' || before.files === scenario.begin.files;
}

/** Breaks one point in one way, recovers by a fresh process, and gives what was wrong. */
async function breakOnce(place, program, scenario, reference, call, inject) {
  const broken = await breakIn(place, program[scenario.command], call, inject);
  if (broken === undefined)
    return { faults: ['strace did not break in where it was meant to'], missed: true };
  const faults = [];
  const exit = ending(broken);
  if (exit !== 'killed' && !EXITS.includes(exit))
    faults.push(`ended with ${exit}: ${broken.stderr.slice(0, 500)}`);
  const before = snapshot(place.tree);
  const stood = which(before, reference, 'files');
  if (!keptPromise(exit, stood, before, scenario)) faults.push(`exit ${exit}, but the files are ${stood}`);

  const recovered = await run(program.recover(place.tree));
  if (recovered.code !== 0)
    faults.push(`the recovery ended with ${recovered.code}: ${recovered.stderr.slice(0, 500)}`);
  const end = which(snapshot(place.tree), reference, 'all');
  if (end === 'mixed') faults.push('mixed after the recovery');
  else if (scenario.end !== 'either' && end !== scenario.end) faults.push(`all ${end}, not ${scenario.end}`);
  else if (exit === 0 && end !== stood) faults.push(`the recovery turned ${stood} into ${end}`);
  faults.push(...leftovers(place.tree, { sets: end === 'new' ? 1 : 0 }));
  return { faults, exit, end, expression: broken.expression };
}

function choose(points, every, names) {
  return points.filter(
    (call, index) =>
      (names === undefined || names.includes(call.name)) && (index % every === 0 || ALWAYS.test(call.name)),
  );
}

const count = (tally, key) => {
  tally[key] = (tally[key] ?? 0) + 1;
};

/** Sweeps one scenario with two workers, each in a place of its own. */
async function sweepScenario(name, places, program, observed, options) {
  const scenario = scenarioOf(name, program);
  for (const place of places) scenario.begin = await prepare(place, program, scenario, observed.calls);
  const all = await scenarioPoints(places[0], program, scenario, { looking: options.kind === 'errors' });
  const chosen = choose(all, options.every, options.names);
  const queue = chosen.flatMap((call) => WAYS[options.kind].map((inject) => ({ call, inject })));
  const result = {
    name,
    points: all.length,
    broken: chosen.length,
    injections: 0,
    bad: [],
    exits: {},
    ends: {},
  };
  await Promise.all(
    places.map(async (place) => {
      for (let job = queue.shift(); job !== undefined; job = queue.shift()) {
        const { call, inject } = job;
        const outcome = await breakOnce(place, program, scenario, observed, call, inject);
        if (outcome.missed !== true) {
          result.injections++;
          count(result.exits, outcome.exit);
          count(result.ends, outcome.end);
        }
        if (outcome.faults.length > 0) result.bad.push({ call: call.text, ...outcome });
        if (options.stopAtFirst && result.bad.length > 0) queue.length = 0;
      }
    }),
  );
  return result;
}

/**
 * A whole sweep. `kind`: `kill` or `errors`; `every`: each how many points; `names`: only calls of these names;
 * `stopAtFirst`: one bad point is enough. Gives a result a scenario, and the faults of the undisturbed commit.
 */
export async function sweep(program, work, options, report = () => undefined) {
  const places = Array.from({ length: WORKERS }, (_, index) => {
    const folder = join(work, `w${index}`);
    mkdirSync(folder, { recursive: true });
    return makePlace(folder, program);
  });
  const observed = await observe(places[0], program);
  const durability = durabilityFaults(observed.calls);
  const results = [];
  const names = (options.scenarios ?? Object.keys(SCENARIOS)).filter(
    (name) => program[SCENARIOS[name].command] !== undefined,
  );
  for (const name of names) {
    const result = await sweepScenario(name, places, program, observed, options);
    results.push(result);
    report(result);
    if (options.stopAtFirst && result.bad.length > 0) break;
  }
  return { results, durability };
}
