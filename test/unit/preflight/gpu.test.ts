import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { gpu } from '../../../entrypoint/preflight/gpu.ts';
import { gpuWish } from '../../../entrypoint/preflight/gpu-wish.ts';
import { lay, look, world } from './world.ts';

const wish = (env: Record<string, string>, ...options: string[]) =>
  gpuWish({ env, argv: ['python', '-u', 'main.py', ...options] });

describe('who asks for a GPU', () => {
  test.each<[Record<string, string>, string[]]>([
    [{}, []],
    [{ NVIDIA_VISIBLE_DEVICES: 'void' }, []],
    [{ NVIDIA_VISIBLE_DEVICES: 'none' }, []],
    [{ NVIDIA_VISIBLE_DEVICES: '' }, []],
    [{ NVIDIA_VISIBLE_DEVICES: 'all', CUDA_VISIBLE_DEVICES: '' }, []],
    [{ NVIDIA_VISIBLE_DEVICES: 'all', CUDA_VISIBLE_DEVICES: '-1' }, []],
    [{ NVIDIA_VISIBLE_DEVICES: 'all', CUDA_VISIBLE_DEVICES: '0' }, ['--cpu']],
    [{ CUDA_VISIBLE_DEVICES: '0' }, ['--directml']],
  ])('nobody: %j %j', (env, options) => {
    expect(wish(env, ...options)).toBeUndefined();
  });

  test('a shell that starts ComfyUI with --cpu asks for none', () => {
    const argv = ['sh', '-c', 'exec python main.py --cpu --port 1'];
    expect(gpuWish({ env: { CUDA_VISIBLE_DEVICES: '0' }, argv })).toBeUndefined();
  });

  test.each<[Record<string, string>, string[], string, number[]]>([
    [{ NVIDIA_VISIBLE_DEVICES: '3' }, [], 'NVIDIA_VISIBLE_DEVICES', []],
    [{ NVIDIA_VISIBLE_DEVICES: 'all', CUDA_VISIBLE_DEVICES: '0, 2' }, [], 'CUDA_VISIBLE_DEVICES', [0, 2]],
    [{ CUDA_VISIBLE_DEVICES: 'GPU-fef8089b' }, [], 'CUDA_VISIBLE_DEVICES', []],
    [{ CUDA_VISIBLE_DEVICES: '0' }, ['--cuda-device', '1'], '--cuda-device', [1]],
    [{}, ['--cuda-d=1', '--cpu-vae'], '--cuda-device', [1]],
  ])('%j %j', (env, options, by, indexes) => {
    expect(wish(env, ...options)).toEqual({ by, indexes });
  });
});

describe('gpu', () => {
  /** A container that was handed some devices, and a tool that says something. */
  function container(devices: string[], tool: string | undefined, env: Record<string, string> = {}) {
    const at = world({ env: { CUDA_VISIBLE_DEVICES: '0', ...env } });
    for (const name of devices) lay(join(at.root, 'dev', name));
    if (tool !== undefined) lay(join(at.root, 'usr/bin/nvidia-smi'), `#!/bin/sh\n${tool}\n`, 0o755);
    return at;
  }

  const TWO =
    "printf '0, NVIDIA GeForce RTX 3090, 550.54.15, 24576 MiB\\n1, NVIDIA RTX A5000, 550.54.15, 24564 MiB\\n'";

  test('nothing is looked for where none is asked for', async () => {
    expect(await look(gpu, world())).toMatchObject({ verdict: 'skip' });
  });

  test('a container without one: the line names who asks, the remedy names what to write', async () => {
    const result = await look(gpu, container([], TWO));
    expect(result).toMatchObject({ verdict: 'fail', severity: 'warning' });
    expect(result.message).toContain('CUDA_VISIBLE_DEVICES asks for a GPU, and this container has none');
    expect(result.message).toContain('no NVIDIA driver is to be seen');
    for (const words of ['gpus: all', 'Container Toolkit', '--cpu']) expect(result.remedy).toContain(words);
  });

  test('the host’s driver is to be seen, and no GPU was handed in', async () => {
    const at = container(['nvidiactl', 'nvidia-uvm'], undefined);
    lay(join(at.root, 'proc/driver/nvidia/version'), 'NVRM version: …\n');
    expect((await look(gpu, at)).message).toContain('no GPU was handed in');
  });

  test('they are named where the driver’s tool lists them', async () => {
    const result = await look(gpu, container(['nvidia0', 'nvidia1'], TWO, { CUDA_VISIBLE_DEVICES: '1,0' }));
    expect(result).toMatchObject({ verdict: 'pass' });
    expect(result.message).toBe(
      '0: NVIDIA GeForce RTX 3090, 24576 MiB; 1: NVIDIA RTX A5000, 24564 MiB; driver 550.54.15',
    );
  });

  test('a tool that is only on PATH is not run', async () => {
    const at = container(['nvidia0'], undefined);
    lay(join(at.folder, 'venv/nvidia-smi'), '#!/bin/sh\ntouch "$0.ran"\n', 0o755);
    at.env.PATH = `${join(at.folder, 'venv')}:/usr/bin:/bin`;
    expect((await look(gpu, at)).message).toContain('nvidia-smi is not there');
    expect(existsSync(join(at.folder, 'venv/nvidia-smi.ran'))).toBe(false);
  });

  test.runIf(process.getuid?.() === 0)('the tool runs as ComfyUI’s user', async () => {
    const at = container(['nvidia0'], 'echo "0, user $(id -u):$(id -g), 1, 1 MiB"');
    at.python.user = { uid: 54_321, gid: 54_322 };
    expect((await look(gpu, at)).message).toContain('0: user 54321:54322');
  });

  test.each([
    ['with the tool', TWO],
    ['without it', undefined],
  ])('an index by the host’s numbers is too high, %s', async (_words, tool) => {
    const result = await look(gpu, container(['nvidia0', 'nvidia1'], tool, { CUDA_VISIBLE_DEVICES: '0,2' }));
    expect(result).toMatchObject({ verdict: 'fail' });
    expect(result.message).toContain('asks for GPU 2, and in this container the GPUs are 0 to 1');
    expect(result.remedy).toContain('CUDA_VISIBLE_DEVICES');
  });

  test.each([
    ['echo "Failed to initialize NVML: Driver/library version mismatch"; exit 18', 'restart the host'],
    ['echo "Failed to initialize NVML: Unknown Error" >&2; exit 255', 'recreate it'],
    ['exit 9', 'run nvidia-smi on the host'],
  ])('a driver that does not answer: %s', async (tool, remedy) => {
    const result = await look(gpu, container(['nvidia0'], tool));
    expect(result).toMatchObject({ verdict: 'fail' });
    expect(result.remedy).toContain(remedy);
  });

  test('a tool that lists none, and one that cannot be understood, are no pass', async () => {
    for (const tool of ['exit 0', 'echo "No devices were found"', 'echo "index, name"'])
      expect(await look(gpu, container(['nvidia0'], tool))).toMatchObject({ verdict: 'fail' });
  });

  test('a tool that hangs is ended, and what it would have said is unknown', async () => {
    const result = await look(gpu, container(['nvidia0'], 'exec sleep 600'));
    expect(result).toMatchObject({ verdict: 'unknown', message: 'nvidia-smi gave no answer in time' });
  }, 20_000);

  test.each(['dxg', 'kfd'])('/dev/%s alone cannot be counted', async (name) => {
    expect(await look(gpu, container([name], undefined))).toMatchObject({ verdict: 'unknown' });
  });
});
