// The fault lab: `npm run lab -- kill | errors | saboteurs`. Runs by hand in full; CI runs a part of it (lab.test.ts).
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { sweep } from './campaign.mjs';
import { makeProgram, SABOTEURS } from './programs.mjs';

const USAGE = `npm run lab -- kill | errors [--program NAME] [--every N] [--points CALL,CALL] [--saboteur NAME]
npm run lab -- saboteurs [--program NAME]`;

/** Fewer than this in a full sweep of kills means that the lab no longer sees the program. */
const MIN_KILLS = 300;

async function inWorkFolder(use) {
  const work = mkdtempSync(join(tmpdir(), 'comfyui-auth-lab-'));
  try {
    return await use(work);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

const tallies = (counts) =>
  Object.entries(counts)
    .map(([key, number]) => `${key} ${number}`)
    .join(', ');

function print(result) {
  console.log(
    `${result.name}: ${result.points} points, ${result.broken} broken, ${result.injections} injections, ` +
      `${result.bad.length} bad (exit: ${tallies(result.exits)}; afterwards: ${tallies(result.ends)})`,
  );
  for (const { expression, call, faults } of result.bad.slice(0, 10)) {
    console.log(`  BAD ${expression}\n    ${call}\n    ${faults.join('\n    ')}`);
  }
}

/** Runs a sweep and gives its sums: `points` and `injections` made, `bad` ones, `durability` faults. */
function lab({ program: name = 'sync', saboteur, ...options }, report) {
  return inWorkFolder(async (work) => {
    const program = await makeProgram(name, work, saboteur);
    const { results, durability } = await sweep(program, work, options, report);
    const sum = (of) => results.reduce((total, result) => total + of(result), 0);
    return {
      points: sum((result) => result.points),
      injections: sum((result) => result.injections),
      bad: sum((result) => result.bad.length),
      durability,
    };
  });
}

async function runSweep(options, full) {
  const { points, injections, bad, durability } = await lab(options, print);
  for (const fault of durability) console.log(`  NOT DURABLE ${fault}`);
  console.log(
    `${options.kind}: ${points} points, ${injections} injections, ${bad} bad, ${durability.length} not durable`,
  );
  const seen = points > 0 && injections > 0 && (!full || injections >= MIN_KILLS);
  if (!seen) console.log(`too few: a full sweep has at least ${MIN_KILLS}`);
  return seen && bad === 0 && durability.length === 0;
}

/** Every saboteur must turn the sweep red. */
async function runSaboteurs(program) {
  let allRed = true;
  for (const saboteur of Object.keys(SABOTEURS)) {
    const { injections, bad, durability } = await lab({
      program,
      saboteur,
      kind: 'kill',
      every: 8,
      stopAtFirst: true,
      scenarios: ['commit'],
    });
    const red = bad > 0 || durability.length > 0;
    console.log(
      `${saboteur}: ${red ? 'red' : 'GREEN'} (${injections} injections, ${bad} bad, ${durability.length} not durable)`,
    );
    allRed &&= red;
  }
  return allRed;
}

async function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      program: { type: 'string', default: 'sync' },
      every: { type: 'string', default: '1' },
      points: { type: 'string' },
      saboteur: { type: 'string' },
    },
  });
  const [kind] = positionals;
  const every = Number(values.every);
  if (kind === 'saboteurs') return runSaboteurs(values.program);
  if ((kind !== 'kill' && kind !== 'errors') || !(every >= 1)) throw new Error(USAGE);
  const names = values.points?.split(',');
  const full = every === 1 && names === undefined;
  return runSweep({ program: values.program, saboteur: values.saboteur, kind, every, names }, full);
}

try {
  process.exitCode = (await main()) ? 0 : 1;
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 2;
}
