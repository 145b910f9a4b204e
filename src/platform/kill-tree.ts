import { readdirSync, readFileSync } from 'node:fs';

/** The children of a process, of all its threads, as Linux tells them; none where nothing tells. */
function childrenOf(pid: number): number[] {
  try {
    const tasks = readdirSync(`/proc/${pid}/task`);
    const lists = tasks.map((task) => readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8'));
    return lists.flatMap((list) => list.split(' ').map(Number)).filter((child) => child > 0);
  } catch {
    return [];
  }
}

const treeOf = (pid: number): number[] => [pid, ...childrenOf(pid).flatMap(treeOf)];

/**
 * Ends a process that we have started, and on Linux all that it has started: `docker` runs Compose as a child of its
 * own, which would otherwise go on making containers. Elsewhere only the process itself. Does not throw.
 */
export function killTree(pid: number | undefined): void {
  if (pid === undefined) return;
  for (const one of treeOf(pid)) {
    try {
      process.kill(one, 'SIGKILL');
    } catch {
      // It has ended by itself.
    }
  }
}
