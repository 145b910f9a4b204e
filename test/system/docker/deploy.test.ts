import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { freshSecret, PATHS } from '../../process/deployment.ts';
import { withoutEngine } from './engine.ts';
import { type Image, image } from './images.ts';
import { Rig } from './rig.ts';

const skipped = withoutEngine();

let rig: Rig;
beforeAll(async () => {
  if (!skipped) rig = await Rig.start();
});
afterEach(() => rig.clear());
afterAll(() => rig?.stop());

/** A new password, and perhaps another image, by the environment. */
const given = (target?: Image) => ({
  COMFYUI_PASSWORD: freshSecret(),
  ...(target !== undefined && { IMAGE: image(target) }),
});

const byVariable = ['--variable', 'IMAGE'];

describe.skipIf(skipped).each(['v2', 'v1'] as const)('deploy with Compose %s', (version) => {
  test('a new password stands everywhere, in a new container; once more, nothing changes', async () => {
    const served = rig.serve(version, 'good');
    await served.up();
    const before = await served.container();
    const secrets = given();
    const { code, json } = await served.deploy(secrets);
    expect([code, json.status], JSON.stringify(json)).toEqual([0, 'deployed']);

    const [bearer = '', user] = served.read(PATHS.password).split('\n');
    expect(bearer).toMatch(/^\$2b\$12\$.{53}$/);
    expect(bearer).not.toBe(served.bearer);
    expect(user).toBe('admin');
    for (const path of [PATHS.env, PATHS.conf, PATHS.token, PATHS.tokenCopy, PATHS.rootEnv]) {
      expect(served.read(path)).toContain(bearer);
      expect(served.read(path)).not.toContain(served.bearer);
    }
    for (const path of [PATHS.env, PATHS.conf, PATHS.generated, PATHS.rootEnv]) {
      expect(served.read(path)).toContain(secrets.COMFYUI_PASSWORD);
      expect(served.read(path)).not.toContain(served.password);
    }
    served.expectNoJournal();

    const after = await served.container();
    expect(after.Id).not.toBe(before.Id);
    expect(after.State.Running).toBe(true);
    // Compose hands the hash over whole, with all that looks like a variable in it.
    const environment = await served.environment();
    expect(environment.get('COMFYUI_BEARER_TOKEN')).toBe(bearer);
    expect(environment.get('COMFYUI_PASSWORD')).toBe(secrets.COMFYUI_PASSWORD);

    const photograph = served.photograph();
    const again = await served.deploy(secrets);
    expect([again.code, again.json.status], JSON.stringify(again.json)).toEqual([0, 'unchanged']);
    expect(served.photograph()).toEqual(photograph);
    const idle = await served.container();
    expect([idle.Id, idle.State.StartedAt]).toEqual([after.Id, after.State.StartedAt]);
  });

  test('a service that does not get the new hash refuses it: all back, 5', async () => {
    const served = rig.serve(version, 'plain', 'elsewhere');
    await served.up();
    const before = served.state();
    const { Id } = await served.container();
    const { code, json } = await served.deploy(given());
    expect([code, json.status], JSON.stringify(json)).toEqual([5, 'rolled-back']);
    expect(json.services[0].rolledBack).toBe(true);
    expect(json.findings.map((one: { code: string }) => one.code)).toContain('bearer-refused');
    await served.expectAsBefore(before, 'plain');
    expect((await served.container()).Id).not.toBe(Id);
  });

  test('an image without the login node is open: ended within 2 s, all back, 4', async () => {
    const served = rig.serve(version, 'good');
    await served.up();
    const before = served.state();
    const { Id } = await served.container();
    const answers = await served.prober();
    const { code, json } = await served.deploy(given('open'), ...byVariable);
    const { oks, openMs } = await answers();
    console.log(`open with Compose ${version}: ${oks} answers of 200 in ${openMs} ms`);
    expect([code, json.status], JSON.stringify(json)).toEqual([4, 'rolled-back']);
    expect(json.services[0].rolledBack).toBe(true);
    expect(oks).toBeGreaterThan(0);
    expect(openMs).toBeLessThanOrEqual(2000);
    await served.expectAsBefore(before, 'good');
    expect((await served.container()).Id).not.toBe(Id);
  });

  test.each([
    ['never listens', 'silent'],
    ['dies in a loop', 'dying'],
  ] as const)('a container that %s: all back, 5', async (_, target) => {
    const served = rig.serve(version, 'good');
    await served.up();
    const before = served.state();
    const { code, json } = await served.deploy(given(target), ...byVariable);
    expect([code, json.status], JSON.stringify(json)).toEqual([5, 'rolled-back']);
    expect(json.services[0].rolledBack).toBe(true);
    await served.expectAsBefore(before, 'good');
  });

  test('open with the old files too: left stopped for good, 6', async () => {
    const served = rig.serve(version, 'open');
    await served.up(4);
    const before = served.state();
    const answers = await served.prober();
    const { code, json } = await served.deploy(given());
    const { oks } = await answers();
    expect([code, json.status], JSON.stringify(json)).toEqual([6, 'stopped']);
    expect(oks).toBeGreaterThan(0);
    expect(served.state()).toEqual(before);
    served.expectNoJournal();
    const { State, HostConfig } = await served.container();
    expect(State).toMatchObject({ Running: false, Restarting: false });
    expect(HostConfig.RestartPolicy.Name).toBe('no');
  });
});
