import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Owner } from '../src/model/layout.ts';
import type { ProcessPort, ProcessResult } from '../src/platform/process.ts';
import { ContainerExit, Refusal } from './exit.ts';
import type { Settings } from './settings.ts';

/** A cold disk can make the imports slow; more than this is a broken Python. */
const TIMEOUT_MS = 120_000;

/** What ComfyUI-Login imports, by the package that brings it. A failing one opens the server (container.md O8). */
const PACKAGES: Readonly<Record<string, string>> = {
  aiohttp: 'aiohttp',
  aiohttp_session: 'aiohttp_session[secure]',
  'aiohttp_session.cookie_storage': 'aiohttp_session[secure]',
  jinja2: 'Jinja2',
  bcrypt: 'bcrypt',
  'Crypto.Cipher': 'pycryptodome',
  'Crypto.Util.Padding': 'pycryptodome',
};

/** Imports the packages, compiles the node's own files, and asks whether its key can be made; prints one JSON line. */
const NODE_CHECK = `
import importlib, json, os, sys
node, *modules = sys.argv[1:]
found = {"imports": {}, "files": {}, "keyCanBeMade": False}
def attempt(kind, name, do):
    try:
        do()
    except BaseException as error:
        found[kind][name] = f"{type(error).__name__}: {error}"
for module in modules:
    attempt("imports", module, lambda: importlib.import_module(module))
def compiles(path):
    with open(path, "rb") as file:
        compile(file.read(), path, "exec")
for name in ["__init__.py", "password.py", "load_image_incognito.py"]:
    path = os.path.join(node, name)
    if os.path.lexists(path):
        attempt("files", name, lambda: compiles(path))
key = os.path.join(node, ".secret-key.txt")
found["keyCanBeMade"] = os.path.exists(key) or os.access(node, os.W_OK | os.X_OK)
print("\\n" + json.dumps(found), flush=True)
`;

const READ_CHECK = 'import sys; open(sys.argv[1], "rb").read()';

/** The Python that will run ComfyUI, and as whom. */
export interface PythonContext {
  python: string;
  comfyuiDir: string;
  env: NodeJS.ProcessEnv;
  user?: Owner;
  process: ProcessPort;
  signal: AbortSignal;
}

/** The Python to ask: the one that is named, else the command's own, else ComfyUI's, else the system's. */
export function choosePython(settings: Settings, command: readonly string[]): string {
  if (settings.python !== undefined) return settings.python;
  const [program = ''] = command;
  if (/^python(?:\d+(?:\.\d+)*)?$/.test(basename(program))) return program;
  const own = join(settings.comfyuiDir, 'venv', 'bin', 'python');
  return existsSync(own) ? own : 'python3';
}

/**
 * Asks ComfyUI's Python, as the user and in the environment that ComfyUI will have, whether the login node can
 * be loaded. Throws a `Refusal` (78, 126, 127) with what is missing.
 */
export async function checkNodeLoads(context: PythonContext, nodeFolder: string): Promise<void> {
  const result = await ask(context, NODE_CHECK, [nodeFolder, ...Object.keys(PACKAGES)]);
  const found = readAnswer(result);
  const fault = Object.entries(found.files)[0];
  if (fault !== undefined) {
    throw new Refusal({
      code: 'login-node-broken',
      message: `${join(nodeFolder, fault[0])} cannot be loaded (${fault[1]}): ComfyUI would serve anyone`,
      remedy: `install ComfyUI-Login again in ${nodeFolder}, readable by ComfyUI’s user`,
    });
  }
  const failed = Object.entries(found.imports);
  if (failed.length > 0) {
    const names = [...new Set(failed.map(([module]) => PACKAGES[module] ?? module))];
    throw new Refusal({
      code: 'python-package-missing',
      message: `${context.python} cannot import what the login node needs (${failed[0]?.[1]}): ComfyUI would serve anyone`,
      remedy: `${context.python} -m pip install ${names.map((name) => `'${name}'`).join(' ')}`,
    });
  }
  if (!found.keyCanBeMade) {
    throw new Refusal({
      code: 'login-node-not-writable',
      message: `ComfyUI’s user cannot make .secret-key.txt in ${nodeFolder}: the login node would fail to load, and ComfyUI would serve anyone`,
      remedy: `make ${nodeFolder} writable by that user (chown it)`,
    });
  }
}

/** Asks whether ComfyUI's user can read a file: unreadable, it opens the server (container.md O3). */
export async function checkReadable(context: PythonContext, path: string): Promise<void> {
  const result = await ask(context, READ_CHECK, [path]);
  if (result.code === 0) return;
  throw new Refusal({
    code: 'file-unreadable',
    exit: ContainerExit.permission,
    message: `ComfyUI’s user (${context.user?.uid}) cannot read ${path}: the login node would fail to load, and ComfyUI would serve anyone`,
    remedy: 'let that user pass each folder above the file (mode x), or change COMFYUI_UID',
  });
}

async function ask(context: PythonContext, script: string, args: string[]): Promise<ProcessResult> {
  const { python, comfyuiDir, env, user, signal } = context;
  const result = await context.process.run(python, ['-c', script, ...args], {
    cwd: comfyuiDir,
    env,
    timeoutMs: TIMEOUT_MS,
    signal,
    ...(user !== undefined && { user }),
  });
  signal.throwIfAborted();
  if (result.failure === 'ENOENT') throw notRunnable(python, ContainerExit.notFound, 'is not there');
  if (result.failure === 'EACCES' || result.failure === 'EPERM') {
    throw notRunnable(python, ContainerExit.notExecutable, 'may not be run by ComfyUI’s user');
  }
  return result;
}

const notRunnable = (
  python: string,
  exit: typeof ContainerExit.notFound | typeof ContainerExit.notExecutable,
  why: string,
) =>
  new Refusal({
    code: 'python-unusable',
    exit,
    message: `the Python ${python} ${why}`,
    remedy: 'set COMFYUI_PYTHON to the Python that runs ComfyUI',
  });

interface NodeAnswer {
  imports: Record<string, string>;
  files: Record<string, string>;
  keyCanBeMade: boolean;
}

function readAnswer(result: ProcessResult): NodeAnswer {
  const line = result.stdout.split('\n').findLast((text) => text.startsWith('{'));
  try {
    const { imports = {}, files = {}, keyCanBeMade = false } = JSON.parse(line ?? '') as Partial<NodeAnswer>;
    return { imports, files, keyCanBeMade };
  } catch {
    const last = result.stderr.trim().split('\n').at(-1) ?? '';
    throw new Refusal({
      code: 'python-check-failed',
      message: `the Python of ComfyUI gave no answer (${result.failure ?? `exit ${result.code}`}) ${last.slice(0, 200)}`,
      remedy: 'set COMFYUI_PYTHON to the Python that runs ComfyUI, and see that it starts',
    });
  }
}
