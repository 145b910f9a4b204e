import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { Deployment } from './entrypoint-harness.ts';

const script = resolve(import.meta.dirname, '..', '..', 'image', 'healthcheck.sh');

/** The shells of this machine, as words that a script's path follows. */
const shells = [['dash'], ['bash', '--posix'], ['busybox', 'sh'], ['sh']].filter(
  ([program = '', ...args]) => spawnSync(program, [...args, '-c', 'true']).status === 0,
);

/** A user that is nobody's, and no other test's. */
const uid = 54_322;

let deployment: Deployment;
beforeAll(async () => {
  deployment = await Deployment.make();
  chmodSync(deployment.folder, 0o755);
});
afterAll(() => deployment.remove());
beforeEach(() => {
  rmSync(deployment.run, { recursive: true, force: true });
  mkdirSync(deployment.run, { mode: 0o755 });
});

const file = () => join(deployment.run, 'health.json');
const ago = (seconds: number) => new Date(Date.now() - seconds * 1000).toISOString();

/** A line as the entrypoint writes it, changed in some fields; `age` in seconds, from now. */
function record({ age = 0, ...change }: Record<string, unknown> = {}): string {
  const whole = {
    v: 1,
    state: 'READY',
    live: true,
    ready: true,
    since: ago(60),
    updatedAt: ago(Number(age)),
    pid: process.pid,
    childPid: 2,
    restarts: 0,
    checks: [{ id: 'anonymous', verdict: 'pass', httpStatus: 401, ms: 3 }],
    reason: null,
    ...change,
  };
  return `${JSON.stringify(whole)}\n`;
}

/** Their exit codes, which have to be one: of the entrypoint, and of the script in each shell. */
function exits(args: string[] = [], env: Record<string, string> = {}, user?: number): number | null {
  const asked = deployment.healthcheck(args, env, user);
  for (const [program = '', ...words] of shells) {
    const { status, stdout, stderr } = spawnSync(program, [...words, script, ...args], {
      env: deployment.env(env),
      encoding: 'utf8',
      ...(user !== undefined && { uid: user, gid: user }),
    });
    const said = `${program} ${words.join(' ')} said ${stdout}${stderr}; the entrypoint: ${asked.stdout}`;
    expect(status, said).toBe(asked.code);
    expect(stderr, program).toBe('');
  }
  return asked.code;
}

test('there are shells to try', () => {
  expect(shells.length).toBeGreaterThanOrEqual(1);
});

describe('exits as the entrypoint does', () => {
  test.each<[name: string, change: Record<string, unknown>, health: number, live: number]>([
    ['ready', {}, 0, 0],
    ['starting', { state: 'STARTING', ready: false, childPid: null, checks: [] }, 1, 0],
    ['degraded', { state: 'DEGRADED', ready: false, reason: 'the proof cannot be repeated' }, 1, 0],
    ['ended', { state: 'EXIT', live: false, ready: false, reason: 'exit 0' }, 1, 1],
    ['ready and ended', { live: false }, 1, 1],
    ['10 s old', { age: 10 }, 0, 0],
    ['32 s old', { age: 32 }, 1, 1],
    ['an hour old', { age: 3600 }, 1, 1],
    ['3 s ahead', { age: -3 }, 0, 0],
    ['a minute ahead', { age: -60 }, 1, 1],
    ['of another century', { updatedAt: '2099-12-31T23:59:59.999Z' }, 1, 1],
    ['of a leap day', { updatedAt: '2024-02-29T08:09:08.000Z' }, 1, 1],
    ['no date', { updatedAt: 'today' }, 1, 1],
    ['no process of that number', { pid: 4_194_303 }, 1, 1],
    ['of another version', { v: 2 }, 1, 1],
    [
      'no field of a text is one of the record',
      { ready: false, reason: '","ready":true,"live":true,"' },
      1,
      0,
    ],
    ['no field of a check either', { ready: undefined, checks: [{ id: 'bearer', ready: true }] }, 1, 0],
    ['a text that is cut by nothing', { reason: 'with "quotes", \\ and $(false) `false`' }, 0, 0],
  ])('%s', (_, change, health, live) => {
    writeFileSync(file(), record(change));
    expect(exits()).toBe(health);
    expect(exits(['--live'])).toBe(live);
  });

  test.each(['', '\n', '{', '[]', '{"v":1}', 'null', record().slice(0, -20)])('broken: %j', (content) => {
    writeFileSync(file(), content);
    expect(exits()).toBe(1);
    expect(exits(['--live'])).toBe(1);
  });

  test('nothing there, a folder, a link', () => {
    expect(exits()).toBe(1);
    mkdirSync(file());
    expect(exits()).toBe(1);
    rmSync(file(), { recursive: true });
    writeFileSync(`${file()}.real`, record());
    symlinkSync(`${file()}.real`, file());
    expect(exits()).toBe(1);
  });

  test('no folder of that name, and an empty RUN_DIR counts as none', () => {
    expect(exits([], { RUN_DIR: '/proc/nowhere' })).toBe(1);
    expect(exits([], { RUN_DIR: '' })).toBe(1);
  });

  test('wrong usage', () => {
    for (const args of [['--dead'], ['--live', '--live', 'x']]) {
      const { status } = spawnSync('sh', [script, ...args], { env: deployment.env() });
      expect(status).toBe(deployment.healthcheck(args).code);
    }
  });
});

test.each([
  '2026-01-01T00:00:00.000Z',
  '2026-02-28T23:59:59.999Z',
  '2028-02-29T08:09:08.000Z',
  '2028-03-01T00:00:00.000Z',
  '2027-10-09T09:08:07.080Z',
  '2100-03-01T12:00:00.000Z',
  '2026-12-31T23:59:59.000Z',
])('counts the seconds to %s as others do', (updatedAt) => {
  writeFileSync(file(), record({ updatedAt }));
  const bin = join(deployment.folder, 'bin');
  mkdirSync(bin, { recursive: true });
  const at = (now: number) => {
    writeFileSync(join(bin, 'date'), `#!/bin/sh\necho ${now}\n`, { mode: 0o755 });
    const PATH = `${bin}:${process.env.PATH ?? ''}`;
    return spawnSync('sh', [script], { env: deployment.env({ PATH }) }).status;
  };
  const written = Math.floor(Date.parse(updatedAt) / 1000);
  expect([-5, -4, 0, 29, 30].map((later) => at(written + later))).toEqual([1, 0, 0, 0, 1]);
});

describe.runIf(process.getuid?.() === 0)('as another user', () => {
  test('the process of somebody else lives', () => {
    writeFileSync(file(), record({ pid: process.pid }), { mode: 0o644 });
    expect(exits([], {}, uid)).toBe(0);
  });

  test('a file that may not be read is none', () => {
    writeFileSync(file(), record());
    chmodSync(file(), 0o600);
    expect(exits([], {}, uid)).toBe(1);
  });

  test('the folder below /tmp counts while it is the user’s own', () => {
    const folder = `/tmp/comfyui-auth-${uid}`;
    const ask = () => exits([], { RUN_DIR: '/proc/nowhere' }, uid);
    mkdirSync(folder, { mode: 0o755 });
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    writeFileSync(join(folder, 'health.json'), record());
    expect(ask()).toBe(1);
    chownSync(folder, uid, uid);
    expect(ask()).toBe(0);
    for (const mode of [0o775, 0o757]) {
      chmodSync(folder, mode);
      expect(ask()).toBe(1);
    }
    chmodSync(folder, 0o755);
    writeFileSync(file(), record({ ready: false }));
    expect(exits([], {}, uid)).toBe(1);
  });
});
