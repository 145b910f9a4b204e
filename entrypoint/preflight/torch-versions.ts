import { Refusal } from '../exit.ts';
import { fail, type Outcome, type PreflightCheck, type PythonAccount, pass, skip, unknown } from './check.ts';
import { gpuWish } from './gpu-wish.ts';
import { cpuBuildRemedy, torchRemedy } from './torch-remedy.ts';

/** What ComfyUI imports of PyTorch. */
export const TORCH = ['torch', 'torchvision', 'torchaudio'] as const;

/** All three are installed, and are builds for one backend; importing them is another check's. */
export const torchVersions: PreflightCheck = {
  id: 'torch-versions',
  severity: 'warning',
  run(world) {
    const { facts, torchProvided = false } = world;
    if (facts instanceof Refusal) return skip('that Python gave no answer');
    const found = TORCH.map((name) => ({ name, version: facts.versions[name] }));
    if (found.some(({ version }) => version === undefined)) return unknown('the versions were not asked for');
    const missing = found.filter(({ version }) => version === null).map(({ name }) => name);
    if (missing.length > 0) {
      const words = `not installed: ${missing.join(', ')}`;
      return torchProvided
        ? skip(`${words}; the PyTorch cache provides it at boot`)
        : fail(words, torchRemedy(world));
    }
    const installed = found.map(({ name, version }) => ({ name, version: version ?? '' }));
    if (!torchProvided && gpuWish(world) !== undefined && installed[0]?.version.endsWith('+cpu')) {
      return fail(
        `torch ${installed[0].version} is a build for the CPU, and a GPU is asked for`,
        cpuBuildRemedy(world),
      );
    }
    return ofOneBackend(installed, facts.machine, torchRemedy(world));
  },
};

/** The local part of a version names the backend (`+cu124`, `+cpu`); wheels of PyPI have none. */
function ofOneBackend(
  found: readonly { name: string; version: string }[],
  machine: PythonAccount['machine'],
  remedy: string,
): Outcome {
  const backends = new Set(found.map(({ version }) => version.split('+')[1] ?? ''));
  const words = found.map(({ name, version }) => `${name} ${version}`).join(', ');
  if (backends.size === 1) return pass(words);
  const named = [...backends].filter((backend) => backend !== '');
  // On x86_64 PyPI's wheels are builds for CUDA.
  const mixed = named.length > 1 || (named[0] === 'cpu' && machine === 'x86_64');
  return mixed
    ? fail(`builds for different backends: ${words}`, remedy)
    : unknown(`not all versions name their backend: ${words}`);
}
