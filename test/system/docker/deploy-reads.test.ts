import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { cheapHash, freshSecret, PATHS } from '../../process/deployment.ts';
import { withoutEngine } from './engine.ts';
import { image } from './images.ts';
import { Rig } from './rig.ts';
import type { Served } from './served.ts';

const skipped = withoutEngine();

let rig: Rig;
beforeAll(async () => {
  if (!skipped) rig = await Rig.start();
});
afterEach(() => rig.clear());
afterAll(() => rig?.stop());

/** Has the service start with a hash in login/PASSWORD that stands nowhere else. */
async function upWithOtherHash(served: Served): Promise<void> {
  served.write(PATHS.password, `${cheapHash(freshSecret())}\nadmin`);
  await served.up(1);
}

describe.skipIf(skipped).each(['v2', 'v1'] as const)('what a deploy does with Compose %s', (version) => {
  test('where only a file in a mounted folder changed: the container is restarted', async () => {
    const served = rig.serve(version, 'plain', 'folder');
    await upWithOtherHash(served);
    const before = await served.container();
    const { code, json } = await served.deploy();
    expect([code, json.status], JSON.stringify(json)).toEqual([0, 'deployed']);
    expect(json.services[0].restart).toMatchObject({ driver: 'compose', action: 'restart' });
    const after = await served.container();
    expect(after.Id).toBe(before.Id);
    expect(after.State.StartedAt).not.toBe(before.State.StartedAt);
    expect(served.read(PATHS.password)).toBe(`${served.bearer}\nadmin`);
  });

  test('where a mounted file changed: it is made anew, since it would go on seeing the old file', async () => {
    const served = rig.serve(version, 'plain', 'file');
    await upWithOtherHash(served);
    const before = await served.container();
    const { code, json } = await served.deploy();
    expect([code, json.status], JSON.stringify(json)).toEqual([0, 'deployed']);
    expect(json.services[0].restart).toMatchObject({ driver: 'compose', action: 'recreate' });
    expect((await served.container()).Id).not.toBe(before.Id);
  });

  test('where the files stand and the container is of before: it is made anew, and no file is written', async () => {
    const served = rig.serve(version, 'good');
    await served.up();
    const before = await served.container();
    const secrets = { COMFYUI_PASSWORD: freshSecret() };
    const synced = await served.ends(served.startWith(secrets, 'sync'));
    expect([synced.code, synced.json.status]).toEqual([0, 'changed']);
    const state = served.state();
    const { code, json } = await served.deploy(secrets);
    expect([code, json.status], JSON.stringify(json)).toEqual([0, 'deployed']);
    expect(served.state()).toEqual(state);
    expect((await served.container()).Id).not.toBe(before.Id);
  });

  test('where the shell has a key of the .env: the file decides', async () => {
    const served = rig.serve(version, 'good');
    await served.up();
    const { code, json } = await served.deploy({ COMFYUI_PASSWORD: freshSecret(), IMAGE: image('open') });
    expect([code, json.status], JSON.stringify(json)).toEqual([0, 'deployed']);
    expect((await served.container()).Config.Image).toBe(image('good'));
  });

  test('where nothing runs yet: a container is made, and proven', async () => {
    const served = rig.serve(version, 'good');
    const { code, json } = await served.deploy({ COMFYUI_PASSWORD: freshSecret() });
    expect([code, json.status], JSON.stringify(json)).toEqual([0, 'deployed']);
    expect((await served.container()).State.Running).toBe(true);
  });

  test('where nothing ran before, and the new one is open: the files go back, and nothing runs', async () => {
    const served = rig.serve(version, 'open');
    const before = served.state();
    const { code, json } = await served.deploy({ COMFYUI_PASSWORD: freshSecret() });
    expect([code, json.status], JSON.stringify(json)).toEqual([4, 'rolled-back']);
    expect(served.state()).toEqual(before);
    served.expectNoJournal();
    expect((await served.container()).State.Running).toBe(false);
  });
});

test.skipIf(skipped)(
  'a hash of which Compose v2 swallowed a part is written so that the container gets it whole',
  async () => {
    const served = rig.serve('v2', 'good');
    served.edit(PATHS.env, `'${served.bearer}'`, served.bearer);
    await served.compose('up', '-d');
    expect((await served.environment()).get('COMFYUI_BEARER_TOKEN')).toMatch(/^\$2b\$04(?!\$)/);
    const { code, json } = await served.deploy();
    expect([code, json.status], JSON.stringify(json)).toEqual([0, 'deployed']);
    expect(served.read(PATHS.env)).toContain(`COMFYUI_BEARER_TOKEN='${served.bearer}'\n`);
    expect((await served.environment()).get('COMFYUI_BEARER_TOKEN')).toBe(served.bearer);
  },
);
