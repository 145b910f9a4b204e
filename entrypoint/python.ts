import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Owner } from '../src/model/layout.ts';
import type { ProcessPort, ProcessResult } from '../src/platform/process.ts';
import { NOT_THERE } from './child.ts';
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

/**
 * One call for all that is to be known of a Python: it imports the packages, compiles the node's own files, asks whether
 * its key can be made, and tells what it is. Takes and prints one JSON object.
 */
const ASK = `
import importlib, json, os, platform, sys, sysconfig
from importlib import metadata
asked = json.loads(sys.argv[1])
node = asked["node"]
found = {"imports": {}, "files": {}, "keyCanBeMade": False, "facts": {
    "version": platform.python_version(),
    "tag": "cp%d%d" % sys.version_info[:2] + getattr(sys, "abiflags", ""),
    "machine": platform.machine(),
    "libc": "-".join(platform.libc_ver()).strip("-"),
    "sitePackages": sysconfig.get_paths()["purelib"],
    "versions": {},
}}
def attempt(kind, name, do):
    try:
        do()
    except BaseException as error:
        found[kind][name] = f"{type(error).__name__}: {error}"
def compiles(path):
    with open(path, "rb") as file:
        compile(file.read(), path, "exec")
def version(name):
    try:
        return metadata.version(name)
    except Exception:
        return None
def imports(module):
    # An empty folder can be imported, too: what an uninstall that was cut off leaves behind.
    if getattr(importlib.import_module(module), "__file__", None) is None:
        raise ImportError(module + " is an empty folder")
for module in asked["modules"]:
    attempt("imports", module, lambda: imports(module))
for name in [] if node is None else sorted(os.listdir(node)) if os.access(node, os.R_OK) else ["__init__.py", "password.py"]:
    if name.endswith(".py"):
        attempt("files", name, lambda: compiles(os.path.join(node, name)))
if node is not None:
    key = os.path.join(node, ".secret-key.txt")
    found["keyCanBeMade"] = os.path.exists(key) or os.access(node, os.W_OK | os.X_OK)
for name in asked["distributions"]:
    found["facts"]["versions"][name] = version(name)
print("\\n" + json.dumps(found), flush=True)
`;

/** Opens each file; names the first that cannot be read. */
const READ_CHECK = `
import sys
for path in sys.argv[1:]:
    try:
        open(path, "rb").read()
    except OSError:
        print(path)
        sys.exit(1)
`;

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

/** What a Python tells of itself. */
export interface PythonFacts {
  /** E.g. `3.11.7`. */
  version: string;
  /** E.g. `cp311`, `cp313t`, as the ABI in the name of a wheel. */
  tag: string;
  /** E.g. `x86_64`. */
  machine: string;
  /** E.g. `glibc-2.36`; empty where it is not known. */
  libc: string;
  /** Where it looks for packages: sysconfig's `purelib`. */
  sitePackages: string;
  /** The installed version of each distribution that was asked for; null: it is not installed. */
  versions: Record<string, string | null>;
}

/** What is to be found out. */
export interface PythonQuestion {
  /** The login node's folder; absent where an open server is meant: then only the facts are asked for. */
  nodeFolder?: string;
  /** Names of distributions whose installed version is asked for. */
  distributions: readonly string[];
}

/**
 * Asks ComfyUI's Python, as the user and in the environment that ComfyUI will have, what it is, and whether the login
 * node can be loaded. Throws a `Refusal` (78, 126, 127) with what is missing.
 */
export async function askPython(context: PythonContext, question: PythonQuestion): Promise<PythonFacts> {
  const { nodeFolder, distributions } = question;
  const modules = nodeFolder === undefined ? [] : Object.keys(PACKAGES);
  const result = await ask(context, ASK, [
    JSON.stringify({ node: nodeFolder ?? null, modules, distributions }),
  ]);
  const found = readAnswer(result);
  if (nodeFolder !== undefined) assertLoads(context, nodeFolder, found);
  if (found.facts === undefined) throw noAnswer(result);
  return found.facts;
}

function assertLoads(context: PythonContext, nodeFolder: string, found: Answer): void {
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

/** Asks whether ComfyUI's user can read these files: unreadable, they open the server (container.md O3). */
export async function checkReadable(context: PythonContext, paths: readonly string[]): Promise<void> {
  const result = await ask(context, READ_CHECK, [...paths]);
  if (result.code === 0) return;
  const unreadable = result.stdout.trim() === '' ? paths.join(', ') : result.stdout.trim();
  throw new Refusal({
    code: 'file-unreadable',
    exit: ContainerExit.permission,
    message: `ComfyUI’s user (${context.user?.uid}) cannot read ${unreadable}: the login node would fail to load, and ComfyUI would serve anyone`,
    remedy: 'let that user pass each folder above the file (mode x), or change COMFYUI_UID',
  });
}

/** Runs ComfyUI's Python as ComfyUI will: in its folder, as its user, in its environment. Does not reject. */
export function runPython(
  { python, comfyuiDir, env, user, process, signal }: PythonContext,
  args: readonly string[],
  timeoutMs: number,
): Promise<ProcessResult> {
  const options = { cwd: comfyuiDir, env, timeoutMs, signal, ...(user !== undefined && { user }) };
  return process.run(python, args, options);
}

async function ask(context: PythonContext, script: string, args: string[]): Promise<ProcessResult> {
  const { python, signal } = context;
  const result = await runPython(context, ['-c', script, ...args], TIMEOUT_MS);
  signal.throwIfAborted();
  if (NOT_THERE.includes(result.failure ?? ''))
    throw notRunnable(python, ContainerExit.notFound, 'is not there');
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

interface Answer {
  /** What failed, by its name. */
  imports: Record<string, string>;
  files: Record<string, string>;
  keyCanBeMade: boolean;
  facts?: PythonFacts;
}

const noAnswer = (result: ProcessResult) =>
  new Refusal({
    code: 'python-check-failed',
    message:
      `the Python of ComfyUI gave no answer (${result.failure ?? `exit ${result.code}`}) ${result.stderr.trim().split('\n').at(-1) ?? ''}`.trim(),
    remedy: 'set COMFYUI_PYTHON to the Python that runs ComfyUI, and see that it starts',
  });

function readAnswer(result: ProcessResult): Answer {
  const line = result.stdout.split('\n').findLast((text) => text.startsWith('{'));
  try {
    const { imports = {}, files = {}, keyCanBeMade, facts } = JSON.parse(line ?? '') as Partial<Answer>;
    const whole = typeof facts?.version === 'string' && typeof facts.sitePackages === 'string';
    return {
      imports: { ...imports },
      files: { ...files },
      keyCanBeMade: keyCanBeMade === true,
      ...(whole && typeof facts.versions === 'object' && facts.versions !== null && { facts }),
    };
  } catch {
    throw noAnswer(result);
  }
}
