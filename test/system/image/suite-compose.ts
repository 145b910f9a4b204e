import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { cheapHash, freshSecret } from '../../process/deployment.ts';
import { expectSilent } from '../../process/silence.ts';
import { Composed } from './composed.ts';
import { COMFYUI, type Container, USER } from './container.ts';
import type { ImageRig } from './rig.ts';

/** Docker kills after 10 s, and so long an idle ComfyUI never needs. */
const IDLE_STOP_MS = 9500;

interface Probe {
  Start: string;
  ExitCode: number;
  Output: string;
}

/** The health checks that the engine has made so far, by `docker inspect`. */
async function healthLog(rig: ImageRig, container: Container): Promise<Probe[]> {
  return JSON.parse(
    await rig.engine.docker('inspect', '--format', '{{json .State.Health.Log}}', container.id),
  );
}

/** When a line was said. */
async function timeOf(rig: ImageRig, container: Container, line: RegExp): Promise<number> {
  const log = await rig.engine.docker('logs', '--timestamps', container.id);
  const [time = ''] =
    log
      .split('\n')
      .find((one) => line.test(one))
      ?.split(' ') ?? [];
  return Date.parse(time);
}

/** By the image's own compose files. */
export function composeSuite(rig: () => ImageRig): void {
  describe('docker compose up', () => {
    test('is healthy only after the proof; stops cleanly; comes back twice with the same bearer', async () => {
      const password = freshSecret();
      const composed = new Composed(rig(), ['compose.yaml', 'compose.cpu.yaml']);
      const container = await composed.up({
        COMFYUI_PASSWORD: password,
        BREAK_BEFORE_LOADING: 'import time; time.sleep(3)',
      });
      const ready = await timeOf(rig(), container, / ready: /);
      const checks = await healthLog(rig(), container);
      const good = checks.filter(({ ExitCode }) => ExitCode === 0);
      expect(checks.filter(({ ExitCode }) => ExitCode !== 0).map(({ Output }) => Output)).toEqual(
        expect.arrayContaining([expect.stringMatching(/^not ready: /)]),
      );
      expect(good.length).toBeGreaterThan(0);
      for (const { Start } of good) expect(Date.parse(Start)).toBeGreaterThanOrEqual(ready - 1000);

      const passwordFile = join(composed.folder, 'workspace', 'login', 'PASSWORD');
      const [bearer = ''] = readFileSync(passwordFile, 'utf8').split('\n');
      expect([statSync(passwordFile).uid, statSync(passwordFile).mode & 0o777]).toEqual([USER, 0o600]);
      expect(await container.statuses(bearer)).toEqual([401, 200]);
      expectSilent(container.output, [password, bearer]);

      expect(await container.stop()).toBeLessThan(IDLE_STOP_MS);
      expect((await container.inspect()).State).toMatchObject({ Running: false, ExitCode: 0 });
      await container.start();
      for (let again = 0; again < 2; again += 1) {
        await container.restart();
        await container.said(/^ready: /m);
        expect(await container.statuses(bearer)).toEqual([401, 200]);
      }
      expect(readFileSync(passwordFile, 'utf8')).toBe(`${bearer}\nadmin`);
    });

    test('secrets by file: proven with the form, and shown nowhere', async () => {
      const [password, key] = [freshSecret(), freshSecret()];
      const secrets = { comfyui_password: password, comfyui_auth_secret_key: key };
      const files = ['compose.yaml', 'compose.cpu.yaml', 'compose.secrets.yaml'] as const;
      const composed = new Composed(rig(), files, secrets);
      const container = await composed.up({});
      const [bearer = ''] = readFileSync(join(composed.folder, 'workspace/login/PASSWORD'), 'utf8').split(
        '\n',
      );
      expect(await container.statuses(bearer)).toEqual([401, 200]);
      const health = JSON.parse(await container.exec('cat', '/run/comfyui-auth/health.json'));
      expect(health.checks).toContainEqual(expect.objectContaining({ id: 'password', verdict: 'pass' }));

      const { docker } = rig().engine;
      const environ = await container.exec('cat', `/proc/${health.childPid}/environ`);
      const inspected = await docker.call(rig().engine, 'inspect', container.id);
      expectSilent(container.output + environ + inspected, [password, key, bearer]);
    });
  });

  describe('what an operator may mount', () => {
    const given = () => {
      const password = freshSecret();
      return { COMFYUI_PASSWORD: password, COMFYUI_BEARER_TOKEN: cheapHash(password), COMFYUI_ARGS: '--cpu' };
    };

    test('a volume over custom_nodes: the login node is put back, and proven', async () => {
      const env = given();
      const nodes = rig().folder().folder('custom_nodes');
      const container = await rig().create({ env, args: ['--volume', `${nodes}:${COMFYUI}/custom_nodes`] });
      await container.probe('/system_stats');
      await container.start();
      await container.said(/^ready: /m);
      expect(await container.statuses(env.COMFYUI_BEARER_TOKEN)).toEqual([401, 200]);
      expect(await container.answers()).toEqual([expect.objectContaining({ oks: 0 })]);
      const copy = readFileSync(join(nodes, 'ComfyUI-Login', 'password.py'), 'utf8');
      expect(copy).toBe(
        await container.exec('cat', '/opt/comfyui-auth/login-node/password.py').then((it) => `${it}\n`),
      );
      await container.restart();
      await container.said(/^ready: /m);
    });

    test('a PASSWORD that is not there: Docker makes a folder, and the container names the remedy', async () => {
      const missing = join(rig().folder().path, 'PASSWORD');
      const container = await rig().create({
        env: given(),
        args: ['--volume', `${missing}:${COMFYUI}/login/PASSWORD`],
      });
      await container.probe('/system_stats');
      await container.start();
      expect(await container.ended()).toBe(78);
      expect(statSync(missing).isDirectory()).toBe(true);
      expect(container.output).toMatch(/^refused: .*login\/PASSWORD.* folder.* Remedy: \S+/m);
      expect(await container.answers()).toEqual([expect.objectContaining({ oks: 0 })]);
    });
  });
}
