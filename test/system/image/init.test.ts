import { existsSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { constants } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Deployment, UNPROVEN } from '../../process/entrypoint-harness.ts';
import { childrenOf, factsOf, Init, lives, quickDeployment, withoutTini } from './init.ts';

// The cases that tini and dumb-init hold themselves to, asked of the entrypoint under `tini -s`.
const skipped = withoutTini();

/** Those that tini does not keep to itself, and that nobody can mistake for the end of a container. */
const IGNORED = [
  ...(['SIGUSR1', 'SIGUSR2', 'SIGPIPE', 'SIGALRM', 'SIGSTKFLT', 'SIGCONT', 'SIGTSTP', 'SIGURG'] as const),
  ...(['SIGXCPU', 'SIGXFSZ', 'SIGVTALRM', 'SIGPROF', 'SIGWINCH', 'SIGIO', 'SIGPWR'] as const),
];

/** Those by which the system tells of a fault: tini lets them end itself, the entrypoint gets them from elsewhere. */
const FAULTS = ['SIGTRAP', 'SIGABRT', 'SIGSYS', 'SIGTTIN', 'SIGTTOU'] as const;

/** By each of these a process ends that does nothing about it. */
const DEADLY = [
  ...([
    'SIGHUP',
    'SIGINT',
    'SIGQUIT',
    'SIGILL',
    'SIGTRAP',
    'SIGABRT',
    'SIGBUS',
    'SIGFPE',
    'SIGKILL',
  ] as const),
  ...(['SIGUSR1', 'SIGSEGV', 'SIGUSR2', 'SIGPIPE', 'SIGALRM', 'SIGTERM', 'SIGXCPU', 'SIGXFSZ'] as const),
  ...(['SIGVTALRM', 'SIGPROF', 'SIGIO', 'SIGPWR', 'SIGSYS'] as const),
];

const INSPECTOR = 9229;
const WORKERS = 3;

let deployments: Deployment[] = [];
let deployment: Deployment;
let inits: Init[] = [];
const another = async () => {
  const made = await quickDeployment();
  deployments.push(made);
  return made;
};
const start = (args: string[], env: Record<string, string> = {}, place = deployment) => {
  const init = new Init(place, args, env);
  inits.push(init);
  return init;
};
beforeEach(async () => {
  deployment = await another();
});
afterEach(() => {
  for (const init of inits) init.remove();
  inits = [];
  for (const made of deployments) made.remove();
  deployments = [];
});

const number = (signal: NodeJS.Signals) => constants.signals[signal];

/** Runs commands to their ends, a few at a time; gives the exit code that each of them made. */
async function exitCodes(commands: readonly string[]): Promise<(number | null)[]> {
  const codes: (number | null)[] = [];
  const queue = [...commands.entries()];
  const work = async (place: Deployment) => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const [index, command] = next;
      codes[index] = await start(['run', '--', 'sh', '-c', command], {}, place).ended;
    }
  };
  await Promise.all(Array.from({ length: WORKERS }, async () => work(await another())));
  return codes;
}

async function ready(): Promise<{ init: Init; entrypoint: number; child: number }> {
  const init = start(['run'], { VERIFY_INTERVAL: '1s' });
  await init.said(/^ready/m);
  const [entrypoint] = childrenOf(init.process.pid ?? 0);
  return { init, entrypoint: entrypoint?.pid ?? 0, child: deployment.health().childPid ?? 0 };
}

/** Resolves when the entrypoint has proven its child again: it goes on, and has had time to do what it was told. */
async function provenAgain(): Promise<void> {
  const stamp = () => JSON.parse(readFileSync(join(deployment.run, 'health.json'), 'utf8')).updatedAt;
  const before = stamp();
  await expect.poll(stamp, { timeout: 10_000 }).not.toBe(before);
  expect(deployment.health()).toMatchObject({ state: 'READY', ready: true });
}

const listens = (port: number) =>
  new Promise<boolean>((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('connect', () => resolve(true)).on('error', () => resolve(false));
    socket.on('connect', () => socket.destroy());
  });

describe.skipIf(skipped)('the entrypoint under tini', () => {
  test.each(['SIGTERM', 'SIGINT', 'SIGQUIT'] as const)(
    '%s: ends cleanly, and all with it',
    async (signal) => {
      const { init, child } = await ready();
      init.process.kill(signal);
      expect(await init.ended).toBe(0);
      expect(lives(child)).toBe(false);
      expect(init.output).not.toMatch(/zombie reaping/);
    },
  );

  test('every other signal is let pass by: the same child, proven on', async () => {
    const { init, entrypoint, child } = await ready();
    for (const signal of IGNORED) init.process.kill(signal);
    for (const signal of FAULTS) process.kill(entrypoint, signal);
    await provenAgain();
    expect(await listens(INSPECTOR)).toBe(false);
    expect(init.output).not.toMatch(/Debugger|inspector/);
    expect([deployment.health().childPid, lives(child)]).toEqual([child, true]);
    init.process.kill('SIGTERM');
    expect(await init.ended).toBe(0);
  });

  test('SIGHUP where nothing changed: the same child, proven on', async () => {
    const { init, child } = await ready();
    init.process.kill('SIGHUP');
    await provenAgain();
    expect([deployment.health().childPid, lives(child)]).toEqual([child, true]);
    init.process.kill('SIGTERM');
    expect(await init.ended).toBe(0);
  });

  test('the child’s exit status 0–255 is passed on, 0 as never ready', async () => {
    const all = Array.from({ length: 256 }, (_, code) => code);
    expect(await exitCodes(all.map((code) => `exit ${code}`))).toEqual([UNPROVEN, ...all.slice(1)]);
  });

  test('the signal by which the child ended is passed on as 128 + its number', async () => {
    const codes = await exitCodes(DEADLY.map((signal) => `ulimit -c 0; kill -${number(signal)} $$`));
    expect(codes).toEqual(DEADLY.map((signal) => 128 + number(signal)));
  });

  test('100 orphans are reaped', async () => {
    const orphans = join(deployment.folder, 'orphans');
    const line = `for i in $(seq 100); do (sleep 0.2 & echo $! >> '${orphans}'); done; ${deployment.serve()}`;
    const init = start(['run', '--', 'sh', '-c', line]);
    await init.said(/^ready/m);
    const pids = readFileSync(orphans, 'utf8').trim().split('\n').map(Number);
    expect(new Set(pids).size).toBe(100);
    await expect.poll(() => pids.filter((pid) => factsOf(pid) !== undefined)).toEqual([]);
    expect(childrenOf(init.process.pid ?? 0)).toHaveLength(1);
    init.process.kill('SIGTERM');
    expect(await init.ended).toBe(0);
  });

  test('the child leads a session and a group of its own; its children end with it, even those that are deaf', async () => {
    const said = join(deployment.folder, 'pids');
    const deaf = 'sh -c \'trap "" INT TERM HUP; sleep 1000; sleep 1000\' &';
    const line = `sleep 1000 & echo $! > '${said}'; ${deaf} echo $! >> '${said}'; ${deployment.serve()}`;
    const init = start(['run', '--', 'sh', '-c', line]);
    await init.said(/^ready/m);
    const child = deployment.health().childPid ?? 0;
    const grandchildren = readFileSync(said, 'utf8').trim().split('\n').map(Number);
    expect(factsOf(child)).toMatchObject({ group: child, session: child });
    expect(grandchildren.map(lives)).toEqual([true, true]);
    for (const pid of grandchildren) expect(factsOf(pid)).toMatchObject({ group: child, session: child });
    init.process.kill('SIGTERM');
    expect(await init.ended).toBe(0);
    await expect.poll(() => grandchildren.filter(lives)).toEqual([]);
  });

  test('the child starts with no signal blocked and none ignored, in ComfyUI’s folder', async () => {
    const line = 'grep -E "Sig(Blk|Ign)" /proc/self/status; pwd; exit 3';
    const init = start(['run', '--', 'sh', '-c', line]);
    expect(await init.ended).toBe(3);
    expect(init.output).toMatch(/SigBlk:\s0{16}\nSigIgn:\s0{16}\n/);
    expect(init.output).toContain(`\n${deployment.comfyui}\n`);
  });

  test('what it does not know is wrong usage', async () => {
    const init = start(['--yolo']);
    expect(await init.ended).toBe(64);
    expect(existsSync(deployment.run)).toBe(false);
  });
});
