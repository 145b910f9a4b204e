import { fail, type PreflightCheck, type PreflightWorld, pass, unknown } from './check.ts';
import { systemFile } from './system-file.ts';

const GIB = 1024 ** 3;
const LITTLE = 4 * GIB;

/** The container may use enough memory to load a model. */
export const memory: PreflightCheck = {
  id: 'memory',
  severity: 'info',
  run(world) {
    const limit = cgroupLimit(world);
    const total = machineTotal(world);
    const known = [limit, total].filter((bytes) => bytes !== undefined);
    if (known.length === 0) return unknown('neither the cgroup nor /proc/meminfo names a limit');
    const bytes = Math.min(...known);
    const words = `${(bytes / GIB).toFixed(1)} GiB${bytes === limit ? ' by the limit of the container' : ''}`;
    return bytes < LITTLE
      ? fail(`${words}: little for a model`, 'raise `mem_limit` (or `deploy.resources.limits.memory`)')
      : pass(words);
  },
};

/** Of cgroup v2, else of v1; undefined where there is no limit. */
function cgroupLimit(world: PreflightWorld): number | undefined {
  const text =
    systemFile(world, 'sys/fs/cgroup/memory.max') ??
    systemFile(world, 'sys/fs/cgroup/memory/memory.limit_in_bytes');
  const bytes = Number(text?.trim() ?? 'max');
  return Number.isFinite(bytes) ? bytes : undefined;
}

function machineTotal(world: PreflightWorld): number | undefined {
  const kibibytes = /^MemTotal:\s+(\d+) kB$/m.exec(systemFile(world, 'proc/meminfo') ?? '')?.[1];
  return kibibytes === undefined ? undefined : Number(kibibytes) * 1024;
}
