import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { freshSecret, PATHS } from '../../process/deployment.ts';
import { withoutEngine } from './engine.ts';
import { image } from './images.ts';
import type { Program } from './program.ts';
import { Rig } from './rig.ts';
import type { Served } from './served.ts';

const skipped = withoutEngine();

let rig: Rig;
let served: Served;
let before: Record<string, string>;
beforeAll(async () => {
  if (!skipped) rig = await Rig.start();
});
beforeEach(async () => {
  served = rig.serve('v2', 'good');
  await served.up();
  before = served.state();
});
afterEach(() => rig.clear());
afterAll(() => rig?.stop());

/** A deploy of a service that will never answer, once its gate asks it. */
async function deployInTheGate(timeout: string): Promise<Program> {
  const secrets = { COMFYUI_PASSWORD: freshSecret(), IMAGE: image('silent') };
  const deploy = served.startWith(secrets, 'deploy', '--variable', 'IMAGE', '--timeout', timeout);
  await deploy.said(/comfyui-qwen: recreating it\n[\s\S]*comfyui-qwen: .*\(\d+\.\d s\)\n/);
  return deploy;
}

/** Holds that every file has the old content, or every one the new. */
function expectConsistent(): void {
  const [bearer = ''] = served.read(PATHS.password).split('\n');
  if (bearer === served.bearer) expect(served.state()).toEqual(before);
  for (const path of [PATHS.env, PATHS.conf, PATHS.token, PATHS.tokenCopy, PATHS.rootEnv]) {
    expect(served.read(path)).toContain(bearer);
  }
}

describe.skipIf(skipped)('a deploy that is cut short in its gate', () => {
  test.each(['deploy', 'sync'])('by a kill: the next %s puts all back, and proves it', async (command) => {
    const deploy = await deployInTheGate('60s');
    deploy.process.kill('SIGKILL');
    expect(await deploy.ended).toBe(null);
    expectConsistent();
    expect((await served.container()).Config.Image).toBe(image('silent'));
    const { code, json } = await served.ends(served.start(command));
    expect([code, json.status], JSON.stringify(json)).toEqual([0, 'unchanged']);
    await served.expectAsBefore(before, 'good');
  });

  test.each(['SIGTERM', 'SIGINT'] as const)(
    'by %s: it ends within 2 s, the next one puts all back',
    async (signal) => {
      const deploy = await deployInTheGate('60s');
      const start = performance.now();
      deploy.process.kill(signal);
      const { code, json } = await served.ends(deploy);
      expect(performance.now() - start).toBeLessThanOrEqual(2000);
      expect([code, json.status], JSON.stringify(json)).toEqual([6, 'error']);
      expectConsistent();
      const next = await served.ends(served.start('deploy'));
      expect([next.code, next.json.status], JSON.stringify(next.json)).toEqual([0, 'unchanged']);
      await served.expectAsBefore(before, 'good');
    },
  );

  test('by nothing: a second one waits for its end, and is then carried out', async () => {
    const first = await deployInTheGate('6s');
    const secrets = { COMFYUI_PASSWORD: freshSecret() };
    const second = served.startWith(secrets, 'deploy', '--timeout', '60s');
    await second.said(/waiting/);
    expect((await served.ends(first)).code).toBe(5);
    const { code, json } = await served.ends(second);
    expect([code, json.status], JSON.stringify(json)).toEqual([0, 'deployed']);
    expect(served.read(PATHS.env)).toContain(secrets.COMFYUI_PASSWORD);
    served.expectNoJournal();
  });
});
