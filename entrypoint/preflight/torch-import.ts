import { Refusal } from '../exit.ts';
import { runPython } from '../python.ts';
import { fail, type PreflightCheck, type PreflightWorld, pass, skip, unknown } from './check.ts';
import { gpuWish } from './gpu-wish.ts';
import { cpuBuildRemedy, torchRemedy } from './torch-remedy.ts';
import { TORCH } from './torch-versions.ts';

/** From a cold disk the imports can take half a minute. */
const TIMEOUT_MS = 240_000;
const BOUND_MS = TIMEOUT_MS + 10_000;

/** Imports the three in one process, as ComfyUI does, then asks CUDA; prints one JSON line. */
const SCRIPT = `
import importlib, json, sys, warnings
found = {"preflight": 1, "versions": {}, "failed": {}, "backend": None, "devices": [], "said": []}
def words(error):
    return f"{type(error).__name__}: {error}"[:300]
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    for name in sys.argv[1:]:
        try:
            found["versions"][name] = str(importlib.import_module(name).__version__)
        except BaseException as error:
            found["failed"][name] = words(error)
    caught.clear()
    torch = sys.modules.get("torch")
    if torch is not None and "torch" not in found["failed"]:
        try:
            found["backend"] = torch.version.cuda or torch.version.hip
            if torch.cuda.is_available():
                for index in range(torch.cuda.device_count()):
                    device = torch.cuda.get_device_properties(index)
                    found["devices"].append([str(device.name), int(device.total_memory)])
        except BaseException as error:
            found["said"].append(words(error))
    found["said"] += [str(one.message)[:300] for one in caught]
print("\\n" + json.dumps(found), flush=True)
`;

interface Found {
  versions: Record<string, string>;
  failed: Record<string, string>;
  /** The CUDA or ROCm version that torch was built for; null: for the CPU alone. */
  backend: string | null;
  devices: [name: string, bytes: number][];
  /** Warnings and errors of CUDA, e.g. of a driver that is too old. */
  said: string[];
}

/** torch, torchvision and torchaudio can be imported together: builds that do not belong together cannot. */
export const torchImport: PreflightCheck = {
  id: 'torch-import',
  severity: 'error',
  boundMs: BOUND_MS,
  async run(world) {
    const waiting = notYetThere(world);
    if (waiting !== undefined) return skip(waiting);
    const found = await imported(world);
    if (found === undefined) return unknown('that Python gave no answer to the import');
    if (typeof found === 'string') {
      return fail(
        `importing PyTorch ends Python by ${found}`,
        `${torchRemedy(world)}, in versions that this processor can run`,
      );
    }
    const [failure] = Object.entries(found.failed);
    if (failure !== undefined) return fail(`import ${failure[0]}: ${failure[1]}`, torchRemedy(world));
    return pass(TORCH.map((name) => `${name} ${found.versions[name]}`).join(', '));
  },
};

/** Where a GPU is asked for, PyTorch can use one. */
export const torchCuda: PreflightCheck = {
  id: 'torch-cuda',
  severity: 'warning',
  boundMs: BOUND_MS,
  async run(world) {
    const wish = gpuWish(world);
    if (wish === undefined) return skip('no GPU is asked for');
    const waiting = notYetThere(world);
    if (waiting !== undefined) return skip(waiting);
    const found = await imported(world);
    if (typeof found !== 'object' || found.failed.torch !== undefined)
      return unknown('torch could not be imported');
    const said = found.said.length === 0 ? '' : `: ${found.said.join('; ')}`;
    if (found.backend === null) {
      return fail('torch is a build for the CPU, and a GPU is asked for', cpuBuildRemedy(world));
    }
    if (found.devices.length === 0) {
      return fail(
        `torch sees no GPU${said}`,
        'look at the check `gpu` first; where it passes, install a PyTorch that the driver of the host is new enough for',
      );
    }
    const names = found.devices.map(
      ([name, bytes], at) => `${at}: ${name}, ${(bytes / 1024 ** 3).toFixed(1)} GiB`,
    );
    const words = `${names.join('; ')}; built for ${found.backend}`;
    return said === ''
      ? pass(words)
      : fail(`${words}${said}`, 'install a build of PyTorch for that GPU and that driver');
  },
};

function notYetThere({ facts, torchProvided = false }: PreflightWorld): string | undefined {
  if (facts instanceof Refusal) return 'that Python gave no answer';
  const missing = facts.versions.torch === null;
  return missing && torchProvided ? 'not installed; the PyTorch cache provides it at boot' : undefined;
}

/** What came of the import: the signal of a crash; undefined where there was no answer. */
type Answer = Found | 'SIGILL' | 'SIGSEGV' | 'SIGABRT' | 'SIGBUS' | undefined;

/** Both checks ask one process. */
const asked = new WeakMap<PreflightWorld, Promise<Answer>>();

function imported(world: PreflightWorld): Promise<Answer> {
  const answer = asked.get(world) ?? ask(world);
  asked.set(world, answer);
  return answer;
}

async function ask({ python, signal }: PreflightWorld): Promise<Answer> {
  const result = await runPython({ ...python, signal }, ['-c', SCRIPT, ...TORCH], TIMEOUT_MS);
  switch (result.failure) {
    case 'SIGILL':
    case 'SIGSEGV':
    case 'SIGABRT':
    case 'SIGBUS':
      return result.failure;
  }
  const line = result.stdout.split('\n').findLast((text) => text.startsWith('{"preflight": 1,'));
  try {
    return line === undefined ? undefined : (JSON.parse(line) as Found);
  } catch {
    return undefined;
  }
}
