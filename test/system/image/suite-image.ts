import { spawnSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { cheapHash, freshSecret } from '../../process/deployment.ts';
import { onPath } from '../docker/engine.ts';
import { USER } from './container.ts';
import { IMAGE, type ImageRig } from './rig.ts';

const ENTRYPOINT = '/opt/comfyui-auth/entrypoint/index.cjs';

/** What the image is, and what is in it. */
export function imageSuite(rig: () => ImageRig): void {
  const inImage = (...words: string[]) => {
    const [program = '', ...args] = words;
    return rig().engine.docker('run', '--rm', '--entrypoint', program, IMAGE, ...args);
  };

  describe('the image', () => {
    test('holds nothing of what lay about where it was built, in no layer', async () => {
      const { engine, stray } = rig();
      const shown = await engine.docker('history', '--no-trunc', IMAGE);
      expect(shown + (await engine.docker('inspect', IMAGE))).not.toContain(stray);
      // The layers are archives in an archive, none of them packed.
      const line = `${onPath('docker')} save ${IMAGE} | LC_ALL=C grep --text --count --fixed-strings "$0"`;
      const { stdout } = spawnSync('sh', ['-c', line, stray], { env: engine.env, encoding: 'utf8' });
      expect(stdout.trim()).toBe('0');
    });

    test('holds no history, no credential and no session key, and no bytecode beside the code', async () => {
      const found = (folders: string[], names: string[]) => {
        const wanted = names.flatMap((name) => ['-o', '-name', name]).slice(1);
        return inImage('find', ...folders, '(', ...wanted, ')', '-print', '-quit');
      };
      const secret = ['.git', 'PASSWORD', '.secret-key.txt', '.env*'];
      expect(await found(['/opt', '/workspace', '/cache', '/run/comfyui-auth'], secret)).toBe('');
      expect(await found(['/opt', '/workspace', '/cache'], ['*.pyc', '__pycache__'])).toBe('');
    });

    test('runs as a user without rights, under tini, with the entrypoint that was built', async () => {
      const [inspected] = JSON.parse(await rig().engine.docker('inspect', IMAGE));
      expect(inspected.Config).toMatchObject({
        User: `${USER}:${USER}`,
        Entrypoint: ['/usr/bin/tini', '-s', '--', '/usr/local/bin/node', ENTRYPOINT],
        Cmd: ['run'],
        StopSignal: 'SIGTERM',
      });
      expect(inspected.Config.Healthcheck.Test).toEqual([
        'CMD',
        '/usr/local/bin/node',
        ENTRYPOINT,
        'healthcheck',
      ]);
      expect(await inImage('id', '-u')).toBe(String(USER));
      const writable = ['find', '/opt/comfyui-auth', '-writable'];
      expect(await inImage(...writable)).toBe('');
    });
  });

  describe('the first process', () => {
    const given = () => {
      const password = freshSecret();
      return { COMFYUI_PASSWORD: password, COMFYUI_BEARER_TOKEN: cheapHash(password), COMFYUI_ARGS: '--cpu' };
    };

    test('is tini; the two health checks agree, before and after the proof', async () => {
      const env = { ...given(), BREAK_BEFORE_LOADING: 'import time; time.sleep(2)' };
      const container = await rig().create({ env });
      await container.start();
      await container.said(/^starting: /m);
      const checks = [
        ['node', ENTRYPOINT, 'healthcheck'],
        ['sh', '/opt/comfyui-auth/healthcheck.sh'],
      ];
      for (const words of checks) await expect(container.exec(...words)).rejects.toThrow();
      for (const words of checks) expect(await container.exec(...words, '--live')).toMatch(/\w/);
      await container.said(/^ready: /m);
      for (const words of checks) expect(await container.exec(...words)).toMatch(/READY/);
      expect(await container.exec('cat', '/proc/1/comm')).toBe('tini');
      expect(container.output).not.toMatch(/zombie|first process|PID 1/i);
    });

    test('may be Node, and that is warned of', async () => {
      const container = await rig().create({
        env: given(),
        args: ['--entrypoint', 'node'],
        command: [ENTRYPOINT, 'run'],
      });
      await container.start();
      await container.said(/^ready: /m);
      expect(container.output).toMatch(/warning: .*(PID 1|process 1|first process).*tini/);
      expect(await container.stop()).toBeLessThan(9500);
      expect((await container.inspect()).State.ExitCode).toBe(0);
    });

    test('that dies takes all with it', async () => {
      const container = await rig().create({ env: given() });
      await container.start();
      await container.said(/^ready: /m);
      const { pid } = JSON.parse(await container.exec('cat', '/run/comfyui-auth/health.json'));
      await container.exec('sh', '-c', `kill -KILL ${pid}`);
      expect(await container.ended()).toBe(137);
      expect((await container.ask('/system_stats')).status).toBe(0);
    });
  });
}
