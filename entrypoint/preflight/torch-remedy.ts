import type { PreflightWorld } from './check.ts';
import { withoutGpu } from './gpu-wish.ts';

/** PyPI's wheels are builds for CUDA, as far as there are any; those for the processor alone stand elsewhere. */
const CPU_INDEX = 'https://download.pytorch.org/whl/cpu';

type Situation = Pick<PreflightWorld, 'python' | 'argv'>;

/** A command that installs the three together, for what ComfyUI is to run on. */
export function torchRemedy({ python, argv }: Situation): string {
  const index = withoutGpu(argv) ? ` --index-url ${CPU_INDEX}` : '';
  return `${python.python} -m pip install --force-reinstall torch torchvision torchaudio${index}`;
}

/** What to do where torch is a build for the CPU, and a GPU is asked for. */
export const cpuBuildRemedy = (situation: Situation): string =>
  `${torchRemedy(situation)}; or add --cpu to COMFYUI_ARGS`;
