import { median, report } from './measure.mjs';

const CLIENTS = 50;
/** Long enough for those who are held up to be answered, and to come again. */
const FLOOD_MS = 4000;

const FLOODS = {
  'of the form': { kind: 'form' },
  'of bearers': { kind: 'bearer' },
  'of the form, from 50 addresses': { kind: 'form', spread: true },
};

/** Milliseconds of each request to /prompt, for so long. */
async function prompts({ client, bearer }, ms) {
  const times = [];
  for (const start = performance.now(); performance.now() - start < ms; ) {
    times.push(...(await client.times(1, '/prompt', bearer)));
  }
  return times;
}

/** The median of /prompt while nothing else happens, and under a flood. */
async function underFlood(core, serve, { guard, flood }) {
  const served = await serve(core, { guard });
  try {
    await prompts(served, FLOOD_MS / 4);
    const before = await prompts(served, FLOOD_MS / 4);
    const running = await core.startFlood({ port: served.server.port, clients: CLIENTS, ...flood });
    const under = await prompts(served, FLOOD_MS);
    const answers = await running.stop();
    return { idle: median(before), under: median(under), answers };
  } finally {
    await served.remove();
  }
}

const told = ({ idle, under, answers }) =>
  `/prompt ${idle.toFixed(2)} ms idle, ${under.toFixed(2)} ms under the flood, answered ${JSON.stringify(answers)}`;

/** What a flood of wrong passwords does to others. */
export async function floods(core, serve) {
  for (const [what, flood] of Object.entries(FLOODS)) {
    const guarded = await underFlood(core, serve, { guard: true, flood });
    console.log(`      flood ${what}: ${told(guarded)}`);
    report(`/prompt under a flood ${what}, against idle`, guarded.under / guarded.idle, 2);
  }
  const bare = await underFlood(core, serve, { guard: false, flood: FLOODS['of the form'] });
  console.log(`      the flood of the form without the guard: ${told(bare)}`);
}
