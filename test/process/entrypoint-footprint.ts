import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Deployment } from './entrypoint-harness.ts';

/** What a process takes of the system at one moment. */
export interface Footprint {
  descriptors: number;
  residentMb: number;
  /** Children that ended, and were not collected. */
  zombies: number;
}

export function footprint(pid: number): Footprint {
  const [, resident = '0'] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ');
  return {
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
    residentMb: Number(resident) / 1024,
    zombies: children.filter((child) => child !== '' && isZombie(child)).length,
  };
}

function isZombie(pid: string): boolean {
  try {
    return / Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8').split(')').at(-1) ?? '');
  } catch {
    // Collected in the meantime, as it should be.
    return false;
  }
}

/** The least of several moments: what stays, whatever is being worked on. */
export const least = (moments: readonly Footprint[], what: keyof Footprint): number =>
  Math.min(...moments.map((moment) => moment[what]));

/**
 * Runs a child that is proven once, is killed, and crashes in each of so many further lives. Gives the entrypoint's
 * footprint in the pause before each of them, its exit code, and all that was said.
 */
export async function crashAgainAndAgain(deployment: Deployment, lives: number) {
  // One answer for all lives: what is looked at is the entrypoint.
  const answer = join(deployment.folder, 'answer');
  const standIn =
    readFileSync(deployment.python, 'utf8')
      .split('\n')[1]
      ?.replace(/^exec /, '') ?? '';
  const asked = `test -s '${answer}' || ${standIn} > '${answer}'; exec cat '${answer}'`;
  deployment.setPython(`case "$1" in -c) ${asked};; esac; exec ${standIn}`);
  const before = join(deployment.folder, 'before');
  const script = `test -e '${before}' && exit 9; touch '${before}'; ${deployment.serve()}`;
  const env = { RESTART_BUDGET: String(lives), RESTART_BACKOFF: '40ms..40ms' };
  const running = deployment.start(['run', '--', 'sh', '-c', script], env);
  await running.said(/^ready/m);
  process.kill(deployment.childPid, 'SIGKILL');
  const moments: Footprint[] = [];
  for (let life = 1; life <= lives; life++) {
    await running.saidTimes('restarting', life);
    moments.push(footprint(running.process.pid ?? 0));
  }
  return { moments, code: await running.ended, output: running.output };
}
