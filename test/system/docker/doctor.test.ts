import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { cheapHash, freshSecret, PATHS } from '../../process/deployment.ts';
import { withoutEngine } from './engine.ts';
import { Rig } from './rig.ts';
import type { Served } from './served.ts';

const skipped = withoutEngine();

let rig: Rig;
beforeAll(async () => {
  if (!skipped) rig = await Rig.start();
});
afterEach(() => rig.clear());
afterAll(() => rig?.stop());

/** The first cause that the doctor names, which changes nothing. */
async function diagnosed(served: Served): Promise<string | null> {
  const before = served.photograph();
  const { json } = await served.ends(served.start('doctor'));
  expect(served.photograph()).toEqual(before);
  return json.services[0].cause;
}

describe.skipIf(skipped).each(['v2', 'v1'] as const)('doctor with Compose %s', (version) => {
  test('nothing is wrong', async () => {
    const served = rig.serve(version, 'good');
    await served.up();
    expect(await diagnosed(served)).toBe(null);
  });

  test('the container is missing, though a neighbour’s name begins as its own', async () => {
    expect(await diagnosed(rig.serve(version, 'good'))).toBe('container-missing');
  });

  test('the container ends again and again', async () => {
    const served = rig.serve(version, 'dying');
    await served.compose('up', '-d');
    await served.restarted();
    expect(await diagnosed(served)).toBe('container-restarting');
  });

  test('it mounts another folder than the one that the deployment knows', async () => {
    const served = rig.serve(version, 'plain', 'elsewhere');
    await served.up();
    expect(await diagnosed(served)).toBe('mount-elsewhere');
  });

  test('nothing listens', async () => {
    const served = rig.serve(version, 'silent');
    await served.compose('up', '-d');
    expect(await diagnosed(served)).toBe('down');
  });

  test('the login node is missing, and anyone is let in', async () => {
    const served = rig.serve(version, 'open');
    await served.up(4);
    expect(await diagnosed(served)).toBe('login-node-missing');
  });

  test('the container is of before the files', async () => {
    const served = rig.serve(version, 'good');
    await served.up();
    const secrets = { COMFYUI_PASSWORD: freshSecret() };
    expect((await served.ends(served.startWith(secrets, 'sync'))).code).toBe(0);
    expect(await diagnosed(served)).toBe('container-env-drift');
  });

  test('the process is older than PASSWORD', async () => {
    const served = rig.serve(version, 'plain');
    served.write(PATHS.password, `${cheapHash(freshSecret())}\nadmin`);
    await served.up(1);
    served.write(PATHS.password, `${served.bearer}\nadmin`);
    expect(await diagnosed(served)).toBe('stale-process');
  });
});
