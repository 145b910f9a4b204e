import { existsSync, statSync } from 'node:fs';
import { isAbsolute } from 'node:path';
import { duration, flag, oneOf, text } from '../environment.ts';
import { Refusal } from '../exit.ts';

const DEFAULTS = {
  lock: '/opt/comfyui-auth/torch.lock',
  cache: '/cache/torch',
  wheelhouse: '/wheelhouse',
} as const;

/** All that the environment says about PyTorch (torch-cache.md, Settings). */
export interface TorchSettings {
  /** Absent: no lock, so nothing is provided. */
  lockPath?: string;
  cacheDir: string;
  /** A folder of wheels on disk; absent where there is none. */
  wheelhouse?: string;
  /** Whether wheels may be fetched from an index. */
  network: boolean;
  /** Stands in for the index that the lock names. */
  indexUrl?: string;
  /** How long another builder is waited for. */
  waitMs: number;
  installer: 'auto' | 'pip' | 'uv';
}

const refused = (message: string, remedy: string) =>
  new Refusal({ code: 'setting-invalid', message, remedy });

/** Reads the variables `TORCH_*`. Throws a `Refusal` (78) that names the variable. */
export function readTorchSettings(env: NodeJS.ProcessEnv): TorchSettings {
  const lockPath = readLockPath(env);
  const wheelhouse = readWheelhouse(env);
  const indexUrl = text(env, 'TORCH_INDEX_URL');
  if (indexUrl !== undefined) {
    const fault = faultOfIndexUrl(indexUrl);
    // The address is not repeated: it can hold a password.
    if (fault !== undefined) throw refused(`TORCH_INDEX_URL ${fault.why}`, fault.remedy);
  }
  return {
    ...(lockPath !== undefined && { lockPath }),
    cacheDir: readPath(env, 'TORCH_CACHE') ?? DEFAULTS.cache,
    ...(wheelhouse !== undefined && { wheelhouse }),
    network: flag(env, 'TORCH_NETWORK', false),
    ...(indexUrl !== undefined && { indexUrl }),
    waitMs: duration(env, 'TORCH_CACHE_WAIT', 30 * 60_000, { minMs: 0, maxMs: 86_400_000 }),
    installer: oneOf(env, 'TORCH_INSTALLER', ['auto', 'pip', 'uv']),
  };
}

/** What is wrong with the address of an index; undefined for a good one. A password would show in the process list. */
export function faultOfIndexUrl(value: string): { why: string; remedy: string } | undefined {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    return {
      why: 'is no http or https address',
      remedy: 'write it like https://download.pytorch.org/whl/cu124',
    };
  }
  if (url.username === '' && url.password === '' && url.search === '') return undefined;
  return {
    why: 'holds credentials, which pip would show in the process list',
    remedy: 'name an index that needs none, or mount the wheels as TORCH_WHEELHOUSE',
  };
}

const isFolder = (path: string) => existsSync(path) && statSync(path).isDirectory();

/** pip and uv split their lists of constraint files at blanks; quotes would have to be written for Python. */
function readPath(env: NodeJS.ProcessEnv, name: string): string | undefined {
  const path = text(env, name);
  if (path === undefined || (isAbsolute(path) && !/[\s,"\\]/.test(path))) return path;
  throw refused(
    `${name} is no absolute path without blanks, commas, quotes and backslashes`,
    `write ${name} from the root on: /…`,
  );
}

function readLockPath(env: NodeJS.ProcessEnv): string | undefined {
  const named = text(env, 'TORCH_LOCK');
  if (named === 'off') return undefined;
  if (named !== undefined) return readPath(env, 'TORCH_LOCK');
  return existsSync(DEFAULTS.lock) ? DEFAULTS.lock : undefined;
}

function readWheelhouse(env: NodeJS.ProcessEnv): string | undefined {
  const named = readPath(env, 'TORCH_WHEELHOUSE');
  if (named === undefined) return isFolder(DEFAULTS.wheelhouse) ? DEFAULTS.wheelhouse : undefined;
  if (isFolder(named)) return named;
  throw refused(
    `TORCH_WHEELHOUSE: ${named} is no folder that we can reach`,
    'mount the folder of wheels there, or leave it unset',
  );
}
