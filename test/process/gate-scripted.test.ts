import { describe, expect, it } from 'vitest';
import { Servers } from './scripted-servers.ts';
import { FOREIGN, NOT_YET, OPEN, REFUSED, type Scenario } from './scripted-servers-answers.ts';
import { ask } from './scripted-servers-ask.ts';
import { FLAPPING, SLOW_START, SOUND } from './scripted-servers-start.ts';
import { NO_ANSWER, OPEN_WIRE, TOO_MUCH } from './scripted-servers-wire.ts';

const TABLES: Record<string, Scenario[]> = {
  'a sound server': SOUND,
  'a server that starts': SLOW_START,
  'a server that is not the same twice': FLAPPING,
  'an open server': OPEN,
  'an open server, by its first bytes': OPEN_WIRE,
  'a server that refuses the credential': REFUSED,
  'a server that is another': FOREIGN,
  'a server that sends too much': TOO_MUCH,
  'a server that is not there, or not yet': NOT_YET,
  'a server that gives no answer': NO_ANSWER,
};

/** contract.md, Exit codes. */
const EXITS = { proved: 0, refused: 1, 'not-ready': 3, down: 3, unknown: 3, open: 4 };

describe.each(Object.entries(TABLES))('%s', (_, scenarios) => {
  it.concurrent.each(scenarios.map((one) => [one.name, one] as const))('%s', async (_, scenario) => {
    const servers = new Servers();
    try {
      const { status, code, options } = scenario;
      const started = await scenario.start(servers);
      const { url, ...listening } = typeof started === 'string' ? { url: started } : started;
      const said = await ask(url, { ...options, ...listening });
      expect([said.status, said.code, said.codes.at(-1)], JSON.stringify(said.json)).toEqual([
        status,
        EXITS[status],
        code,
      ]);
      if (status === 'proved') {
        expect(Object.values(said.checks)).toEqual(Array(8).fill('pass'));
        expect(said.json.services[0].readyAfterMs).toBeGreaterThan(0);
      }
    } finally {
      await servers.close();
    }
  });
});
