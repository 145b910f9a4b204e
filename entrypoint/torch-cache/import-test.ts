import { type PythonContext, runPython } from '../python.ts';
import { TORCH_PACKAGES } from './lock-file.ts';

/** From a cold disk `import torch` alone takes half a minute. */
const TIMEOUT_MS = 600_000;

/** Imports the three; where a folder is given, from that folder and nowhere else. */
const IMPORT = `
import importlib, os, sys
folder, *names = sys.argv[1:]
if folder:
    sys.path.insert(0, folder)
for name in names:
    module = importlib.import_module(name)
    if folder and not (module.__file__ or "").startswith(folder + os.sep):
        raise ImportError(f"{name} came from {module.__file__}")
`;

/**
 * Imports PyTorch and its companions together, as the user and in the environment that ComfyUI will have. Gives what
 * failed, in one line; undefined where all is well. Rejects with the signal's reason where it is aborted.
 */
export async function faultOfImport(context: PythonContext, folder = ''): Promise<string | undefined> {
  // Without a place of its own for bytecode, none is left in the store: its files are counted.
  const flags = context.env.PYTHONPYCACHEPREFIX === undefined ? ['-B'] : [];
  const result = await runPython(context, [...flags, '-c', IMPORT, folder, ...TORCH_PACKAGES], TIMEOUT_MS);
  context.signal.throwIfAborted();
  if (result.code === 0) return undefined;
  const last = result.stderr.trim().split('\n').at(-1) ?? '';
  return `${result.failure ?? `exit ${result.code}`} ${last}`.trim();
}
