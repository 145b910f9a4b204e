import bcrypt from 'bcryptjs';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { HostProcess } from './host-process.ts';
import { bearer, LoadClient } from './load-client.ts';
import { type Flood, type FloodOptions, floodToItsEnd, startFlood } from './load-flood.ts';
import { residentMb } from './load-rig.ts';
import { withoutPython } from './python.ts';
import { GuardRig } from './rig.ts';

/** What makes bcrypt as slow as it is in a deployment. */
const COST = 12;
const CLIENTS = 50;
const ROUNDS = 500;
/** The bench has the bound that is meant; here another program may be at work on the machine. */
const MOST_TIMES_SLOWER = 4;

const figures: string[] = [];
afterAll(() => console.log(figures.join('\n')));

const median = (times: number[]) => times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)] ?? 0;

describe.skipIf(withoutPython())('a flood of wrong passwords', () => {
  let rig: GuardRig;
  let server: HostProcess;
  let client: LoadClient;
  let flood: Flood | undefined;
  const hashes = new Map<string, string>();

  async function serve(env: Record<string, string> = {}): Promise<void> {
    const hash = bcrypt.hashSync(rig.password, COST);
    hashes.set(rig.password, hash);
    rig.write(hash);
    server = await rig.start({ env });
    client = new LoadClient(server.port);
  }

  beforeEach(() => {
    rig = new GuardRig();
  });
  afterEach(async () => {
    await flood?.stop();
    flood = undefined;
    client.close();
    await rig.remove();
  });

  const bearerOf = () => bearer(hashes.get(rig.password) ?? '');

  test.each<[string, Omit<FloodOptions, 'port'>]>([
    ['by the form', { kind: 'form', clients: CLIENTS }],
    ['as bearers', { kind: 'bearer', clients: CLIENTS }],
    ['by the form, from 50 addresses', { kind: 'form', clients: CLIENTS, spread: true }],
    ['as bearers, from 50 addresses', { kind: 'bearer', clients: CLIENTS, spread: true }],
  ])('%s: who has a credential comes in as before', async (name, options) => {
    await serve();
    const credentials = {
      session: { cookie: await client.session(rig.password) },
      bearer: bearerOf(),
      password: bearer(rig.password),
    };
    const medians = async () => {
      const all: number[] = [];
      for (const headers of Object.values(credentials))
        all.push(median(await client.times(ROUNDS, '/prompt', headers)));
      return all;
    };
    await medians();
    const slower: number[] = [];
    for (let tries = 0; tries < 3 && !(Math.min(...slower) <= MOST_TIMES_SLOWER); tries++) {
      const idle = await medians();
      flood = await startFlood({ port: server.port, ...options });
      const under = await medians();
      const answers = await flood.stop();
      flood = undefined;
      slower.push(Math.max(...under.map((time, i) => time / (idle[i] ?? 0))));
      figures.push(`${name}: ${slower.at(-1)?.toFixed(2)} times slower at most; ${JSON.stringify(answers)}`);
    }
    expect(Math.min(...slower)).toBeLessThanOrEqual(MOST_TIMES_SLOWER);
    expect(server.events.map(({ event }) => event)).toContain('login-throttled');
  });

  test('from one address leaves the form to all others', async () => {
    await serve();
    flood = await startFlood({ port: server.port, kind: 'form', clients: CLIENTS });
    await server.told('login-throttled');
    const other = new LoadClient(server.port, { localAddress: '127.0.0.9' });
    const cookie = await other.session(rig.password);
    expect((await other.ask('/queue', { cookie })).status).toBe(200);
    other.close();
  });

  test('is none where many clients come with the right password for the first time, all at once', async () => {
    await serve();
    const first = () => client.ask('/queue', bearer(rig.password));
    const answers = await Promise.all(Array.from({ length: CLIENTS }, first));
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
  });

  test('from addresses without number takes no more memory than from as many as are remembered', async () => {
    await serve({ TRUSTED_PROXIES: '127.0.0.1' });
    const from = { port: server.port, kind: 'bearer' as const, clients: 600, forwarded: true };
    await floodToItsEnd({ ...from, atMost: 15_000 });
    const before = residentMb(server);
    const answers = await floodToItsEnd({ ...from, atMost: 40_000 });
    const more = residentMb(server) - before;
    figures.push(
      `from 40,000 addresses: ${more.toFixed(1)} MB more than from 15,000; ${JSON.stringify(answers)}`,
    );
    expect(more).toBeLessThan(4);
    expect((await client.ask('/queue', bearerOf())).status).toBe(200);
  });
});
