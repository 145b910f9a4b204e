import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { requires } from './capability.ts';
import { Stage, Workshop } from './torch-cache/stage.ts';
import { torchWheels, writeWheels } from './torch-cache/wheels.ts';

const uv = (process.env.PATH ?? '')
  .split(':')
  .map((folder) => join(folder, 'uv'))
  .find((path) => existsSync(path));

describe.skipIf(requires('uv', uv !== undefined))('uv', () => {
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

  const withUv = { TORCH_INSTALLER: 'uv', PATH: `${dirname(uv ?? '')}:/usr/bin:/bin` };

  test('builds the same store as pip, without a connect', async () => {
    const trace = join(stage.folder, 'trace');
    const around = ['strace', '-f', '-qq', '-e', 'trace=connect,sendto', '-o', trace];
    const first = await stage.run([], withUv, { around });
    expect(first).toMatchObject({ code: 0, tier: 'T2' });
    expect(first.events.find(({ event }) => event === 'torch-build')).toMatchObject({ installer: 'uv' });
    expect(readFileSync(trace, 'utf8')).not.toMatch(/AF_INET/);
    expect(stage.torch()).toEqual({
      path: join(stage.store, 'packages/torch/__init__.py'),
      version: '2.5.1+cpu',
    });
    expect(readdirSync(join(stage.store, 'packages'))).not.toContain('.lock');
    const before = stage.state();
    expect(await stage.run([], { ...stage.bare, TORCH_INSTALLER: 'pip' })).toMatchObject({ tier: 'T1' });
    expect(stage.state()).toEqual(before);
  });

  test('by itself it is taken where it is there', async () => {
    const { events } = await stage.run([], { ...withUv, TORCH_INSTALLER: 'auto' });
    expect(events.find(({ event }) => event === 'torch-build')).toMatchObject({ installer: 'uv' });
  });

  test('a wheel with another hash', async () => {
    writeWheels(stage.wheelhouse, [{ name: 'tinydep', version: '1.0', init: 'STOLEN = True' }]);
    const { code, refused } = await stage.run([], withUv);
    expect({ code, refused }).toMatchObject({ code: 78, refused: { code: 'wheel-hash' } });
    expect(refused?.message).toContain('tinydep==1.0');
    expect(stage.names()).toEqual(['lock']);
  });

  test('a wheel that this machine cannot use', async () => {
    const tag = `py3-none-manylinux_2_99_${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}`;
    stage.supply(torchWheels('2.6.0').map((wheel) => (wheel.name === 'torch' ? { ...wheel, tag } : wheel)));
    const { code, refused } = await stage.run([], withUv);
    expect({ code, refused }).toMatchObject({ code: 78, refused: { code: 'wheel-missing' } });
    expect(refused?.message).toContain('torch==2.6.0+cpu');
  });
});
