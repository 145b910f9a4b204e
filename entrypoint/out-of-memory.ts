import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const COUNT = /^oom_kill (\d+)$/m;

/**
 * How many processes of our cgroup the kernel has killed because memory ran out; undefined where it does not tell.
 * Version 2 tells in `memory.events`, version 1 in `memory.oom_control` (kernel: Documentation/admin-guide/cgroup-v2,
 * cgroup-v1/memory). A container sees its own group as the root of the tree.
 */
export function outOfMemoryKills(proc = '/proc/self/cgroup', tree = '/sys/fs/cgroup'): number | undefined {
  const groups = (read(proc) ?? '').split('\n').map((line) => line.split(':'));
  const at = (controller: string) => groups.find(([, names]) => names?.split(',').includes(controller))?.[2];
  const files = [
    ...[at('') ?? '/', '/'].map((group) => join(tree, group, 'memory.events')),
    ...[at('memory') ?? '/', '/'].map((group) => join(tree, 'memory', group, 'memory.oom_control')),
  ];
  for (const file of files) {
    const count = COUNT.exec(read(file) ?? '')?.[1];
    if (count !== undefined) return Number(count);
  }
  return undefined;
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
