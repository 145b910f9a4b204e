import {
  fail,
  type Outcome,
  type PreflightCheck,
  type PreflightWorld,
  pass,
  skip,
  unknown,
} from './check.ts';
import { type GpuWish, gpuWish } from './gpu-wish.ts';
import { askDriver, type Gpu } from './nvidia-smi.ts';
import { systemFile, systemNames } from './system-file.ts';

const WITHOUT = 'or add --cpu to COMFYUI_ARGS where none is meant';
const RESERVE = `reserve one in the compose file (\`gpus: all\`, or deploy.resources.reservations.devices with driver nvidia and capabilities [gpu]), on a host with the NVIDIA Container Toolkit; ${WITHOUT}`;

/** Where a GPU is asked for, the container has one, its driver answers, and the wanted index is there. */
export const gpu: PreflightCheck = {
  id: 'gpu',
  severity: 'warning',
  async run(world) {
    const wish = gpuWish(world);
    if (wish === undefined) return skip('no GPU is asked for');
    const devices = deviceNodes(world);
    if (devices.length === 0) return none(world, wish);
    const answer = await askDriver(world);
    switch (answer.kind) {
      case 'gpus':
        return judge(wish, answer.gpus);
      case 'failed':
        return fail(`the NVIDIA driver does not answer: ${answer.words}`, remedyFor(answer.words));
      case 'late':
        return unknown('nvidia-smi gave no answer in time');
      case 'absent':
        return withoutTool(wish, devices);
    }
  },
};

/** NVIDIA's own devices, that of WSL 2, that of AMD. */
const deviceNodes = (world: PreflightWorld): string[] =>
  systemNames(world, 'dev').filter((name) => /^(?:nvidia\d+|dxg|kfd)$/.test(name));

function none(world: PreflightWorld, { by }: GpuWish): Outcome {
  const driver = systemFile(world, 'proc/driver/nvidia/version') !== undefined;
  const host = driver
    ? 'the host has an NVIDIA driver, and no GPU was handed in'
    : 'and no NVIDIA driver is to be seen';
  return fail(
    `${by} asks for a GPU, and this container has none (no /dev/nvidia0, no /dev/dxg): ${host}`,
    RESERVE,
  );
}

/** The devices alone tell how many there are, on a host with NVIDIA's own. */
function withoutTool({ by, indexes }: GpuWish, devices: readonly string[]): Outcome {
  const words = `${devices.map((name) => `/dev/${name}`).join(', ')}; nvidia-smi is not there (NVIDIA_DRIVER_CAPABILITIES without utility)`;
  const countable = devices.every((name) => name.startsWith('nvidia'));
  if (!countable) return unknown(`${words}: the GPUs cannot be counted`);
  return tooHigh(indexes, devices.length) ? beyond(by, indexes, devices.length) : pass(words);
}

function judge(wish: GpuWish, gpus: readonly Gpu[]): Outcome {
  if (gpus.length === 0) return fail(`${wish.by} asks for a GPU, and the driver lists none`, RESERVE);
  if (tooHigh(wish.indexes, gpus.length)) return beyond(wish.by, wish.indexes, gpus.length);
  const names = gpus.map(({ index, name, memory }) => `${index}: ${name}, ${memory}`);
  return pass(`${names.join('; ')}; driver ${gpus[0]?.driver}`);
}

const tooHigh = (indexes: readonly number[], count: number) => indexes.some((index) => index >= count);

function beyond(by: string, indexes: readonly number[], count: number): Outcome {
  const all = count === 1 ? 'the only GPU is 0' : `the GPUs are 0 to ${count - 1}`;
  return fail(
    `${by} asks for GPU ${Math.max(...indexes)}, and in this container ${all}: CUDA would see fewer, or none`,
    `set ${by} by the container’s own numbers, which begin at 0 whatever the host’s are, or hand in more GPUs`,
  );
}

/** What usually lies behind the driver's own words. */
function remedyFor(words: string): string {
  if (/version mismatch/i.test(words)) {
    return 'the driver was updated under a running kernel module: restart the host, then recreate the container';
  }
  if (/unknown error|insufficient permissions/i.test(words)) {
    return 'the container has lost its devices, as after `systemctl daemon-reload` on the host: recreate it';
  }
  return `run nvidia-smi on the host; where it answers there, recreate the container; ${WITHOUT}`;
}
