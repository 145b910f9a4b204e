import { describe, expect, test } from 'vitest';
import { cheapHash, freshSecret } from '../../process/deployment.ts';
import { expectSilent } from '../../process/silence.ts';
import type { Container } from './container.ts';
import type { ImageRig } from './rig.ts';

/** The image's STOP_GRACE, and what Docker needs besides. */
const STOP_MS = 9500;

const pair = () => {
  const password = freshSecret();
  return { password, bearer: cheapHash(password) };
};

/** What Docker sends, and what it does in the container. */
export function signalSuite(rig: () => ImageRig): void {
  describe('docker stop, while ComfyUI is at work', () => {
    async function busy(seconds: number): Promise<Container> {
      const { password, bearer } = pair();
      const env = { COMFYUI_PASSWORD: password, COMFYUI_BEARER_TOKEN: bearer, COMFYUI_ARGS: '--cpu' };
      const container = await (await rig().create({ env })).start();
      await container.said(/^ready: /m);
      const prompt = { '1': { class_type: 'Wait', inputs: { seconds } } };
      const asked = { method: 'POST', bearer, body: JSON.stringify({ prompt }) };
      expect((await container.ask('/prompt', asked)).status).toBe(200);
      await container.said(/^got prompt/m);
      return container;
    }

    test('what ends in time is waited for', async () => {
      const container = await busy(2);
      expect(await container.stop()).toBeLessThan(STOP_MS);
      expect(await container.ended()).toBe(0);
      expect(container.output).toMatch(/^draining: /m);
      expect(container.output).toMatch(/Prompt executed in [\s\S]*Stopped server/);
    });

    test('what does not is given up, in time for a clean end', async () => {
      const container = await busy(600);
      expect(await container.stop()).toBeLessThan(STOP_MS);
      expect(await container.ended()).toBe(0);
      expect(container.output).toMatch(/^drained: warning: /m);
      expect(container.output).toMatch(/Stopped server/);
      expect(container.output).not.toMatch(/Prompt executed/);
    });
  });

  test('docker kill -s HUP, after the secrets’ files were replaced: the new bearer is proven, the old one gone', async () => {
    const [old, next] = [pair(), pair()];
    const host = rig().folder();
    const hand = ({ password, bearer }: typeof old) => {
      host.file('secrets/password', `${password}\n`);
      host.file('secrets/bearer', `${bearer}\n`);
    };
    hand(old);
    const env = {
      COMFYUI_ARGS: '--cpu',
      COMFYUI_PASSWORD_FILE: '/secrets/password',
      COMFYUI_BEARER_TOKEN_FILE: '/secrets/bearer',
    };
    const args = ['--volume', `${host.folder('secrets')}:/secrets:ro`];
    const container = await rig().create({ env, args });
    await container.probe('/system_stats', '/system_stats?token=');
    await container.start();
    await container.said(/^ready: /m);
    expect(await container.statuses(old.bearer)).toEqual([401, 200]);
    hand(next);
    await rig().engine.docker('kill', '--signal', 'HUP', container.id);
    // By the guard: ComfyUI goes on.
    await container.said(/^rotated: .* ComfyUI went on/m);
    expect(await container.statuses(next.bearer)).toEqual([401, 200]);
    expect(await container.statuses(old.bearer)).toEqual([401, 401]);
    for (const { oks } of await container.answers()) expect(oks).toBe(0);
    expectSilent(container.output, [old.password, old.bearer, next.password, next.bearer]);
  });
}
