import { accessSync, constants, statSync } from 'node:fs';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { Refusal } from '../exit.ts';
import type { PythonContext } from '../python.ts';
import type { TorchPorts } from './ports.ts';

/** Where wheels come from: a folder on disk, or an index. */
export type Source =
  | { tier: 'T2'; wheelhouse: string }
  | { tier: 'T3'; indexUrl: string; extraIndexUrls: readonly string[] };

/** A program that installs wheels. */
export interface Installer {
  name: 'pip' | 'uv';
  program: string;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** Python, wherever it is called from: installers work in no folder of ComfyUI, whose modules they would find. */
export const pythonPath = ({ python, comfyuiDir }: PythonContext): string =>
  python.includes('/') ? resolve(comfyuiDir, python) : python;

/** uv beside Python, or on PATH. */
function findUv(context: PythonContext): string | undefined {
  const folders = [dirname(pythonPath(context)), ...(context.env.PATH ?? '').split(':')];
  return folders
    .filter(isAbsolute)
    .map((folder) => join(folder, 'uv'))
    .find(isExecutable);
}

/** The installer that is asked for; by itself uv where there is one, else pip. Throws a `Refusal` (78). */
export function chooseInstaller({ settings, context }: TorchPorts): Installer {
  const uv = settings.installer === 'pip' ? undefined : findUv(context);
  if (uv !== undefined) return { name: 'uv', program: uv };
  if (settings.installer !== 'uv') return { name: 'pip', program: pythonPath(context) };
  throw new Refusal({
    code: 'uv-missing',
    message: 'TORCH_INSTALLER is uv, which is neither on PATH nor beside ComfyUI’s Python',
    remedy: `install it (${context.python} -m pip install uv), or set TORCH_INSTALLER=pip`,
  });
}

export interface Installation {
  installer: Installer;
  source: Source;
  python: string;
  /** The list of pinned packages with their hashes. */
  requirements: string;
  /** The folder to install into. */
  target: string;
}

/** Wheels only: to build from source would run code that no hash of the lock covers in full. */
const COMMON = ['--no-deps', '--require-hashes', '--only-binary', ':all:'];

/** The words of the command that installs. */
export function installCommand({ installer, source, python, requirements, target }: Installation): string[] {
  const from =
    source.tier === 'T2'
      ? ['--no-index', '--find-links', source.wheelhouse]
      : [
          '--index-url',
          source.indexUrl,
          ...source.extraIndexUrls.flatMap((url) => ['--extra-index-url', url]),
        ];
  const words = [...COMMON, ...from, '--target', target, '-r', requirements];
  if (installer.name === 'pip') {
    const quiet = ['--no-compile', '--no-warn-script-location', '--progress-bar', 'off'];
    return [installer.program, '-m', 'pip', 'install', ...quiet, ...words];
  }
  // Several indexes: without it uv takes the first that knows the name, and pip the one that has the hash.
  const strategy = source.tier === 'T2' ? ['--offline'] : ['--index-strategy', 'unsafe-best-match'];
  return [installer.program, 'pip', 'install', '--python', python, ...strategy, ...words];
}

const KEPT =
  /^(?:PATH|LANG|LC_[A-Z]+|TZ|LD_LIBRARY_PATH|PYTHONHOME|SSL_CERT_FILE|SSL_CERT_DIR|REQUESTS_CA_BUNDLE|PIP_CERT)$/;
const PROXIES = /^(?:https?|all|no)_proxy$/i;

/**
 * The environment of an installer: a short list of what it may know, so that no secret reaches it and no setting of the
 * machine changes what it does. Proxies only where it may use the network.
 */
export function installerEnv(
  env: NodeJS.ProcessEnv,
  tier: Source['tier'],
  scratch: string,
): NodeJS.ProcessEnv {
  const kept = Object.entries(env).filter(
    ([name]) => KEPT.test(name) || (tier === 'T3' && PROXIES.test(name)),
  );
  return {
    ...Object.fromEntries(kept),
    HOME: scratch,
    TMPDIR: scratch,
    PIP_CONFIG_FILE: '/dev/null',
    PIP_DISABLE_PIP_VERSION_CHECK: '1',
    PIP_NO_CACHE_DIR: '1',
    PIP_NO_INPUT: '1',
    PIP_ROOT_USER_ACTION: 'ignore',
    PYTHONNOUSERSITE: '1',
    PYTHONDONTWRITEBYTECODE: '1',
    UV_CACHE_DIR: join(scratch, 'uv'),
    UV_NO_CONFIG: '1',
    UV_NO_PROGRESS: '1',
    UV_PYTHON_DOWNLOADS: 'never',
  };
}
