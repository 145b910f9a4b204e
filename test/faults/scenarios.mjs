// The stretches of a program in which the lab breaks in, and what may stand in the tree after each.
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { breakIn, killAt } from './break-in.mjs';
import { points, readRecord, run } from './strace.mjs';
import { snapshot } from './tree.mjs';

const journalWrites = (calls) =>
  calls.filter((call) => call.name.startsWith('rename') && call.text.includes('/journal.json"'));

/** The nth call of the tree after a journal was written for the mth time: 1 STAGING, 2 PREPARED, 3 APPLIED, 4 COMMITTED. */
function callAfterJournal(calls, mth, nth, name) {
  const written = journalWrites(calls)[mth - 1];
  const later = calls
    .slice(calls.indexOf(written) + 1)
    .filter((call) => call.tree && call.name.startsWith(name));
  if (written === undefined || later[nth - 1] === undefined)
    throw new Error(`no journal ${mth}, or no call after it`);
  return later[nth - 1];
}

/**
 * `interrupted`: the commit's call at which the tree was left by a kill, before the stretch begins; `marker`: the
 * call after which it begins; `end`: what must stand afterwards, whatever was done to it.
 */
export const SCENARIOS = {
  commit: { command: 'commit', end: 'either' },
  rollback: { command: 'rollBack', marker: '/marker"', end: 'old' },
  'recovery of half the renames': {
    command: 'resume',
    interrupted: (calls) => callAfterJournal(calls, 2, 3, 'rename'),
    end: 'old',
  },
  'recovery of APPLIED': {
    command: 'resume',
    interrupted: (calls) => callAfterJournal(calls, 3, 1, ''),
    end: 'old',
  },
  'recovery of COMMITTED': {
    command: 'resume',
    interrupted: (calls) => callAfterJournal(calls, 4, 4, ''),
    end: 'new',
  },
};

/** A scenario as a program plays it. */
export function scenarioOf(name, program) {
  const scenario = SCENARIOS[name];
  const goesOn = scenario.command === 'resume' && scenario.end === 'old';
  return { ...scenario, ...(goesOn && program.resumeEnds !== undefined && { end: program.resumeEnds }) };
}

/** A worker's own place: a tree that is planted again, or put back as a kill left it, before each run. */
export function makePlace(work, program) {
  const tree = join(work, 'tree');
  const seed = join(work, 'seed');
  const record = join(work, 'record');
  const replant = () => {
    rmSync(tree, { recursive: true, force: true });
    mkdirSync(tree, { recursive: true });
    program.plant(tree);
  };
  return {
    tree,
    record,
    replant,
    /** Keeps the tree as it stands, links included, for `reset`. */
    keep() {
      rmSync(seed, { recursive: true, force: true });
      execFileSync('cp', ['-a', tree, seed]);
    },
    reset() {
      rmSync(tree, { recursive: true, force: true });
      execFileSync('cp', ['-a', seed, tree]);
    },
  };
}

async function recorded(place, argv) {
  const result = await run(argv, { record: place.record });
  if (result.code !== 0) throw new Error(`the undisturbed run ended with ${result.code}: ${result.stderr}`);
  return readRecord(place.record, place.tree);
}

/** What stands before and after an undisturbed commit, and its calls. */
export async function observe(place, program) {
  place.replant();
  const old = snapshot(place.tree);
  const calls = await recorded(place, program.commit(place.tree));
  const fresh = snapshot(place.tree);
  if (old.all === fresh.all) throw new Error('the undisturbed commit changed nothing');
  return { old, fresh, calls };
}

/** Leaves the place's seed as the scenario wants it to begin, and gives what stands in it. */
export async function prepare(place, program, scenario, commitCalls) {
  place.replant();
  place.keep();
  if (scenario.interrupted !== undefined) {
    const broken = await breakIn(place, program.commit, scenario.interrupted(commitCalls), killAt);
    if (broken === undefined) throw new Error('the commit could not be interrupted where it was meant to be');
    place.keep();
  }
  return snapshot(place.tree);
}

/** The calls of a recovery: up to the close of the folder whose journal was removed. What follows is a commit again. */
function untilRecovered(calls) {
  const removed = calls.findIndex(
    ({ name, text }) => name.startsWith('unlink') && text.includes('/journal.json"'),
  );
  const end = calls.findIndex(({ name }, index) => index > removed && name === 'close');
  if (removed < 0 || end < 0) throw new Error('the undisturbed run recovered nothing');
  return calls.slice(0, end + 1);
}

/** The calls of a scenario's undisturbed run at which to break in. */
export async function scenarioPoints(place, program, scenario, { looking }) {
  place.reset();
  const calls = await recorded(place, program[scenario.command](place.tree));
  return points(scenario.interrupted === undefined ? calls : untilRecovered(calls), {
    looking,
    ...(scenario.marker !== undefined && { marker: scenario.marker }),
  });
}
