import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { PreflightWorld } from './check.ts';

/** A driver that hangs must not hold up the boot. */
const TIMEOUT_MS = 5000;
/** Below the root. Not PATH, whose folders may be ComfyUI’s user’s own: the boot may be root’s. */
const FOLDERS = ['usr/bin', 'usr/local/nvidia/bin', 'usr/local/bin', 'bin', 'usr/lib/wsl/lib'];
const QUERY = ['--query-gpu=index,name,driver_version,memory.total', '--format=csv,noheader'];

export interface Gpu {
  index: number;
  name: string;
  driver: string;
  memory: string;
}

/** What the driver's own tool says. `absent`: it is not in this container, which says nothing about the GPU. */
export type DriverAnswer =
  | { kind: 'absent' }
  | { kind: 'gpus'; gpus: Gpu[] }
  | { kind: 'failed'; words: string }
  | { kind: 'late' };

/** Asks nvidia-smi, as ComfyUI’s user, for the GPUs that this container sees. */
export async function askDriver(world: PreflightWorld): Promise<DriverAnswer> {
  const { env, process, user } = world.python;
  const program = FOLDERS.map((folder) => join(world.root, folder, 'nvidia-smi')).find((path) =>
    existsSync(path),
  );
  if (program === undefined) return { kind: 'absent' };
  const result = await process.run(program, QUERY, {
    env,
    timeoutMs: TIMEOUT_MS,
    signal: world.signal,
    ...(user !== undefined && { user }),
  });
  if (result.code === 0) return { kind: 'gpus', gpus: result.stdout.split('\n').flatMap(gpuOf) };
  if (result.failure === 'SIGKILL') return { kind: 'late' };
  const words = `${result.stdout}\n${result.stderr}`.trim().split('\n')[0] ?? '';
  return { kind: 'failed', words: words === '' ? (result.failure ?? `exit ${result.code}`) : words };
}

function gpuOf(line: string): Gpu[] {
  const [index, name, driver, memory] = line.split(',').map((part) => part.trim());
  if (index === undefined || !/^\d+$/.test(index) || memory === undefined) return [];
  return [{ index: Number(index), name: name ?? '', driver: driver ?? '', memory }];
}
