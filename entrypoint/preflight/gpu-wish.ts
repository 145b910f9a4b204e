import { optionValue } from '../comfyui-args.ts';
import { text } from '../environment.ts';
import type { PreflightWorld } from './check.ts';

/** Which variable or option asks for a GPU, and for which, as CUDA numbers them in the container: from 0. */
export interface GpuWish {
  by: string;
  indexes: number[];
}

/** Also where a shell gets the command as one word. */
const WITHOUT = /(?:^|\s)--(?:cpu|directml)(?:[\s=]|$)/;

/** Whether ComfyUI is told to do without CUDA. */
export const withoutGpu = (argv: readonly string[]): boolean => argv.some((word) => WITHOUT.test(word));

// The toolkit itself sets `void` where it hands a GPU in by another way: that says nothing.
const NOTHING = ['', 'none', 'void'];

/** Undefined where nobody asks for a GPU, or ComfyUI is told to do without. */
export function gpuWish({ argv, env }: Pick<PreflightWorld, 'argv' | 'env'>): GpuWish | undefined {
  if (withoutGpu(argv)) return undefined;
  // ComfyUI puts it over CUDA_VISIBLE_DEVICES.
  const option = optionValue(argv, '--cuda-device', '--cuda-d');
  if (option !== undefined) return { by: '--cuda-device', indexes: indexes(option) };
  // Set and empty hides all GPUs: CUDA's own rule.
  const cuda = env.CUDA_VISIBLE_DEVICES?.trim();
  if (cuda === '' || cuda?.startsWith('-')) return undefined;
  if (cuda !== undefined) {
    return { by: 'CUDA_VISIBLE_DEVICES', indexes: indexes(cuda) };
  }
  const nvidia = text(env, 'NVIDIA_VISIBLE_DEVICES')?.trim() ?? '';
  // Its numbers are the host's: they say nothing about those in the container.
  return NOTHING.includes(nvidia) ? undefined : { by: 'NVIDIA_VISIBLE_DEVICES', indexes: [] };
}

const indexes = (list: string): number[] =>
  list
    .split(',')
    .map((part) => part.trim())
    .filter((part) => /^\d{1,4}$/.test(part))
    .map(Number);
