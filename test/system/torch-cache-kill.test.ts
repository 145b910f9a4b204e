import { existsSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Stage, Workshop } from './torch-cache/stage.ts';
import { torchWheels } from './torch-cache/wheels.ts';

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

const pathFile = () => join(workshop.sitePackages, 'comfyui-auth-torch.pth');

/** Makes pip do something first. */
const delayPip = (expression: string) =>
  writeFileSync(
    join(workshop.sitePackages, 'delay.pth'),
    `import os, sys, time; 'pip' in sys.orig_argv and (${expression})\n`,
  );

/** After whatever has happened: the next start is right, and leaves nothing of the one before. */
async function recovers() {
  expect(await stage.run()).toMatchObject({ code: 0 });
  expect(stage.names().sort()).toEqual(['constraints', 'lock', 'store']);
  expect(stage.torch()).toEqual({
    path: join(stage.store, 'packages/torch/__init__.py'),
    version: '2.5.1+cpu',
  });
}

describe('kill -9', () => {
  test('at each rename and each fsync of the build', async () => {
    const points = ['rename', 'fsync'].flatMap((call) => [1, 2, 3, 4, 5, 6].map((when) => ({ call, when })));
    let killed = 0;
    for (const { call, when } of points) {
      const inject = `inject=${call}:signal=SIGKILL:when=${when}`;
      const around = ['strace', '-qq', '-o', '/dev/null', '-e', `trace=${call}`, '-e', inject];
      const { code } = await stage.run([], {}, { around });
      if (code !== 0) killed++;
      // Whatever stands there: it is not used where it is not whole.
      if (code !== 0 && existsSync(pathFile())) expect(stage.torch().version).toBe('2.5.1+cpu');
      await recovers();
      rmSync(stage.cache, { recursive: true });
      workshop.reset();
    }
    expect(killed).toBeGreaterThanOrEqual(8);
  });

  test('while the installer works', async () => {
    const host = stage.start();
    await host.said('torch-build');
    host.process.kill('SIGKILL');
    await host.ended;
    expect(existsSync(pathFile())).toBe(false);
    await recovers();
  });

  test('a stop ends the installer, and leaves nothing', async () => {
    // A pip that says that it is there, and then hangs.
    const marker = join(stage.folder, 'pip-is-there');
    delayPip(`open(${JSON.stringify(marker)}, 'w').write(str(os.getpid())), time.sleep(600)`);
    const host = stage.start();
    await host.said('torch-build');
    await expect.poll(() => existsSync(marker) && readFileSync(marker, 'utf8')).toMatch(/^\d+$/);
    host.process.kill('SIGTERM');
    expect(await host.ended).toBe(0);
    const pid = readFileSync(marker, 'utf8');
    await expect.poll(() => existsSync(`/proc/${pid}`)).toBe(false);
    expect(stage.names()).toEqual(['lock']);
    expect(existsSync(pathFile())).toBe(false);
  });

  test('a long build says every ten seconds how far it is', async () => {
    delayPip('time.sleep(11)');
    const { code, events } = await stage.run();
    expect(code).toBe(0);
    const progress = events.filter(({ event }) => event === 'torch-progress');
    expect(progress[0]).toMatchObject({ packages: 0, total: 4 });
    expect(progress[0]?.seconds).toBeGreaterThanOrEqual(10);
    expect(progress[0]?.bytes).toBeGreaterThan(0);
  });
});

describe('a damaged store', () => {
  const file = () => join(stage.store, 'packages', 'torch', 'part_7.py');
  const editManifest = (edit: (text: string) => string) => {
    const path = join(stage.store, 'manifest');
    writeFileSync(path, edit(readFileSync(path, 'utf8')));
  };
  const damages: [string, () => void][] = [
    ['a file cut off', () => truncateSync(file(), 3)],
    ['a file missing', () => rmSync(file())],
    // All that it still lists is there.
    ['the manifest shortened', () => editManifest((text) => text.slice(text.indexOf('\n') + 1))],
    ['the manifest missing', () => rmSync(join(stage.store, 'manifest'))],
    ['the stamp cut off', () => truncateSync(join(stage.store, '.complete'), 20)],
    ['the stamp missing', () => rmSync(join(stage.store, '.complete'))],
    ['all packages missing', () => rmSync(join(stage.store, 'packages'), { recursive: true })],
  ];

  test.each(damages)('%s: it is made good', async (what, damage) => {
    await stage.run();
    damage();
    const { code, tier, events } = await stage.run();
    // Only the proof is missing where only the stamp is.
    expect({ code, tier }).toEqual({ code: 0, tier: what.startsWith('the stamp') ? 'T1' : 'T2' });
    const said = events.filter(({ event }) => event === 'torch-damaged');
    expect(said).toHaveLength(what.startsWith('the stamp') ? 0 : 1);
    await recovers();
    expect((await stage.run()).tier).toBe('T1');
  });

  test('the stamp missing and a file cut off: it is built again', async () => {
    await stage.run();
    rmSync(join(stage.store, '.complete'));
    truncateSync(file(), 3);
    expect(await stage.run()).toMatchObject({ code: 0, tier: 'T2' });
    await recovers();
  });

  test('with nothing to build from it is said, set aside, and not used', async () => {
    await stage.run();
    truncateSync(file(), 3);
    const { code, refused, events } = await stage.run([], stage.bare);
    expect({ code, refused: refused?.code }).toEqual({ code: 78, refused: 'torch-missing' });
    expect(events.find(({ event }) => event === 'torch-damaged')?.message).toMatch(/part_7\.py has changed/);
    expect(stage.names().sort()).toEqual(['.aside-…', 'constraints', 'lock']);
    await recovers();
  });
});

describe('torch-cache', () => {
  const status = async () => {
    const { code, output } = await stage.run(['status', '--json']);
    const answer = JSON.parse(output) as {
      tier: string | null;
      stores: { state: string; active: boolean }[];
    };
    return { code, answer };
  };

  test('build fills the cache and changes nothing that Python sees; status tells', async () => {
    expect(await status()).toMatchObject({ code: 1, answer: { tier: null, stores: [] } });
    expect((await stage.run(['build'])).code).toBe(0);
    expect(existsSync(pathFile())).toBe(false);
    const before = stage.state();
    expect(await status()).toMatchObject({
      code: 0,
      answer: { tier: 'T1', stores: [{ state: 'complete', active: false }] },
    });
    expect((await stage.run(['build'], stage.bare)).code).toBe(0);
    expect(stage.state()).toEqual(before);
    expect(await stage.run([], stage.bare)).toMatchObject({ tier: 'T1' });
    expect((await status()).answer.stores).toMatchObject([{ state: 'complete', active: true }]);
    const { output } = await stage.run(['status']);
    expect(output).toMatch(
      /^PyTorch: in the cache as locked\n[\s\S]*store [0-9a-f]{12}: complete, \d+ files, .*active$/m,
    );
  });

  test('gc removes what was never finished and what is old, not what is in use', async () => {
    for (const version of ['2.5.1', '2.6.0', '2.7.0']) {
      stage.supply(torchWheels(version));
      await stage.run(version === '2.5.1' ? [] : ['build']);
    }
    // The one in use was kept, though it is the oldest.
    expect(stage.stores()).toHaveLength(3);
    expect(stage.torch().version).toBe('2.5.1+cpu');
    stage.supply(torchWheels('2.7.0'));
    expect((await stage.run()).tier).toBe('T1');
    const [one = ''] = stage.stores().filter((name) => !stage.torch().path.includes(name));
    rmSync(join(stage.cache, one, '.complete'));
    const { code, events } = await stage.run(['gc']);
    expect(code).toBe(0);
    expect(events.find(({ event }) => event === 'torch-gc')).toMatchObject({ removed: 1 });
    expect(stage.stores()).toHaveLength(2);
    expect(readdirSync(stage.cache).filter((name) => name.startsWith('.'))).toEqual([]);
    expect((await stage.run([], stage.bare)).tier).toBe('T1');
  });

  test('wrong usage', async () => {
    for (const args of [['shrink'], ['build', '--json'], ['gc', 'all'], ['status', '--yaml']]) {
      expect(await stage.run(args)).toMatchObject({ code: 64 });
    }
    expect(await stage.run(['build'], { TORCH_LOCK: 'off' })).toMatchObject({
      code: 78,
      refused: { code: 'torch-lock-missing' },
    });
  });
});
