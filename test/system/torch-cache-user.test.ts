import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { requires } from './capability.ts';
import { Stage, Workshop } from './torch-cache/stage.ts';
import { torchWheels } from './torch-cache/wheels.ts';

// Who does what: root must not run, follow or remove what ComfyUI's user has put there.

const OTHER = 12_345;
const AS_OTHER = { HOST_UID: String(OTHER) };
const notRoot = requires('root', process.getuid?.() === 0);

let workshop: Workshop;
let stage: Stage;
beforeAll(() => {
  workshop = new Workshop();
});
afterAll(() => workshop.remove());
beforeEach(() => {
  stage = new Stage(workshop);
});
afterEach(() => stage.remove());

describe.skipIf(notRoot)('started as root for another user', () => {
  test('whatever runs ComfyUI’s Python runs as that user, and the store is that user’s', async () => {
    const said = join(stage.folder, 'said');
    mkdirSync(said);
    chmodSync(said, 0o777);
    const asked = "{'pip', 'compileall'} & set(sys.orig_argv) or 'fsync' in ' '.join(sys.orig_argv)";
    const plant = `import os, sys; (${asked}) and open(${JSON.stringify(`${said}/`)} + str(os.getuid()), 'w')\n`;
    writeFileSync(join(workshop.sitePackages, 'plant.pth'), plant);
    mkdirSync(stage.cache, { recursive: true });
    chmodSync(stage.cache, 0o700);
    expect(await stage.run([], AS_OTHER)).toMatchObject({ code: 0, tier: 'T2' });
    expect(readdirSync(said)).toEqual([String(OTHER)]);
    for (const path of ['', 'manifest', '.complete', 'packages/torch/__init__.py']) {
      expect(statSync(join(stage.store, path)).uid).toBe(OTHER);
    }
    expect(stage.names().sort()).toEqual(['constraints', 'lock', 'store']);
    expect(await stage.run([], { ...AS_OTHER, ...stage.bare })).toMatchObject({ code: 0, tier: 'T1' });
  });

  test('a link that the user puts in the place of the cache leads root nowhere', async () => {
    const target = join(stage.folder, 'target');
    mkdirSync(target);
    const parent = join(stage.folder, 'cache');
    mkdirSync(parent);
    chownSync(parent, OTHER, OTHER);
    symlinkSync(target, stage.cache);
    const { code, refused, remedy } = await stage.run([], AS_OTHER);
    expect({ code, refused: refused?.code }).toEqual({ code: 77, refused: 'torch-cache-not-writable' });
    expect(remedy).toContain(`chown -R ${OTHER}:${OTHER}`);
    expect(readdirSync(target)).toEqual([]);
    expect(statSync(target).uid).toBe(0);
  });
});

test('a flock that is first on PATH is not run', async () => {
  const bin = join(stage.folder, 'bin');
  const ran = join(stage.folder, 'ran');
  mkdirSync(bin);
  writeFileSync(join(bin, 'flock'), `#!/bin/sh\ntouch '${ran}'\n`, { mode: 0o755 });
  expect(await stage.run(['gc'], { PATH: `${bin}:/usr/bin:/bin` })).toMatchObject({ code: 0 });
  expect(existsSync(ran)).toBe(false);
});

test('a FIFO in the place of a file is not waited for', async () => {
  await stage.run();
  const stamp = join(stage.store, '.complete');
  rmSync(stamp);
  for (const path of [stamp, join(stage.cache, 'installed.json')]) execFileSync('mkfifo', [path]);
  const { code, tier, events } = await stage.run();
  expect({ code, tier }).toEqual({ code: 0, tier: 'T2' });
  expect(events.find(({ event }) => event === 'torch-damaged')?.message).toMatch(/its stamp is a FIFO/);
});

test('a store that another container uses is not removed', async () => {
  for (const version of ['2.5.1', '2.6.0']) {
    stage.supply(torchWheels(version));
    await stage.run(['build']);
  }
  const [unfinished = '', other = ''] = stage.stores();
  rmSync(join(stage.cache, unfinished, '.complete'));
  const words = ['-s', join(stage.cache, unfinished), 'sh', '-c', 'echo held; read line'];
  const holder = spawn('flock', words, { stdio: ['pipe', 'pipe', 'inherit'] });
  await once(holder.stdout, 'data');
  expect((await stage.run(['gc'])).code).toBe(0);
  expect(stage.stores().sort()).toEqual([unfinished, other].sort());
  holder.stdin.end('\n');
  await once(holder, 'exit');
  expect((await stage.run(['gc'])).code).toBe(0);
  expect(stage.stores()).toEqual([other]);
});

test.skipIf(notRoot)('an old store that cannot be removed does not stop a good build', async () => {
  // In a folder with the sticky bit nobody renames what is another's.
  mkdirSync(join(stage.cache, 'f'.repeat(64)), { recursive: true });
  chmodSync(stage.cache, 0o1777);
  const { code, events } = await stage.run(['build'], {}, { uid: OTHER });
  expect(code).toBe(0);
  expect(events.find(({ event }) => event === 'torch-gc')).toMatchObject({ level: 'warning' });
});
