import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { cheapHash, freshSecret, PATHS } from '../../process/deployment.ts';
import { withoutEngine } from './engine.ts';
import { Rig } from './rig.ts';
import { SERVICE, type Served } from './served.ts';

const skipped = withoutEngine();

let rig: Rig;
beforeAll(async () => {
  if (!skipped) rig = await Rig.start();
});
afterEach(() => rig.clear());
afterAll(() => rig?.stop());

async function doctor(served: Served) {
  const { code, json } = await served.ends(served.start('doctor'));
  const [{ cause, steps }] = json.services;
  const evidence = (id: string): string => steps.find((one: { id: string }) => one.id === id).evidence;
  const said = JSON.stringify(json);
  return { code, cause, evidence, said };
}

describe.skipIf(skipped).each(['v2', 'v1'] as const)('doctor with Compose %s', (version) => {
  test('finds nothing wrong under our entrypoint, which writes PASSWORD after the container began', async () => {
    const served = rig.serve(version, 'good');
    await served.up();
    const { code, cause, evidence, said } = await doctor(served);
    expect([code, cause], said).toEqual([0, null]);
    expect(evidence('container')).toContain(`${SERVICE} is running; since 20`);
    expect(evidence('port')).toBe('port 8188 is published on 127.0.0.1');
    expect(evidence('environment')).toBe('3 keys are as in the .env');
    const audited = await served.ends(served.start('audit', '--live'));
    expect([audited.code, audited.json.status], JSON.stringify(audited.json)).toEqual([0, 'findings']);
    const inside = audited.json.services[0].locations.find((one: { path: string }) =>
      one.path.startsWith(`${SERVICE}:`),
    );
    expect(inside).toMatchObject({ path: `${SERVICE}:/workspace/ComfyUI/login/PASSWORD`, state: 'ok' });
  });

  test('finds no container beside one of another project', async () => {
    const { code, cause, evidence, said } = await doctor(rig.serve(version, 'good'));
    expect([code, cause], said).toEqual([1, 'container-missing']);
    expect(evidence('container')).toContain(`${SERVICE}-idle-monitor: of another service`);
  });

  test('finds a process that is older than PASSWORD', async () => {
    const served = rig.serve(version, 'plain');
    const right = served.read(PATHS.password);
    served.write(PATHS.password, `${cheapHash(freshSecret())}\nadmin`);
    await served.up(1);
    served.write(PATHS.password, right);
    const { code, cause, said } = await doctor(served);
    expect([code, cause], said).toEqual([1, 'stale-process']);
  });

  test('finds PASSWORD of another folder mounted', async () => {
    const served = rig.serve(version, 'plain', 'elsewhere');
    await served.up();
    const { code, cause, said } = await doctor(served);
    expect([code, cause], said).toEqual([1, 'mount-elsewhere']);
  });
});

describe.skipIf(skipped)('doctor', () => {
  test.each([
    ['open', 4, 'login-node-missing', 'it answers (HTTP 200)'],
    ['silent', 1, 'down', 'the port is published, and nothing in the container listens behind it'],
  ] as const)('of the image %s', async (target, exit, expected, heard) => {
    const served = rig.serve('v2', target);
    await served.compose('up', '-d');
    if (target === 'open') await served.ends(served.start('probe', '--timeout', '60s'));
    const { code, cause, evidence, said } = await doctor(served);
    expect([code, cause], said).toEqual([exit, expected]);
    // Neither its processes nor its log stayed unseen.
    expect(evidence('http')).toBe(heard);
  });

  test('of one that ends again and again', async () => {
    const served = rig.serve('v2', 'dying');
    await served.compose('up', '-d');
    await expect.poll(async () => (await served.container()).RestartCount).toBeGreaterThan(2);
    const { code, cause, said } = await doctor(served);
    expect([code, cause], said).toEqual([1, 'container-restarting']);
  });
});
