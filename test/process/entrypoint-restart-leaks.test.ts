import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { cheapHash, Deployment, freshPassword } from './entrypoint-harness.ts';

const LIVES = 60;

let deployment: Deployment;
beforeEach(async () => {
  deployment = await Deployment.make();
  writeFileSync(deployment.password, `${cheapHash(freshPassword())}\nada`);
});
afterEach(() => deployment.remove());

interface Footprint {
  descriptors: number;
  residentMb: number;
  zombies: number;
}

function footprint(pid: number): Footprint {
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
const least = (moments: Footprint[], what: keyof Footprint) =>
  Math.min(...moments.map((moment) => moment[what]));

test(`${LIVES} lives leave nothing behind: no descriptor, no zombie, no memory, no listener`, async () => {
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
  const env = { RESTART_BUDGET: String(LIVES), RESTART_BACKOFF: '40ms..40ms' };
  const running = deployment.start(['run', '--', 'sh', '-c', script], env);
  await running.said(/^ready/m);
  process.kill(deployment.childPid, 'SIGKILL');

  const moments: Footprint[] = [];
  for (let life = 1; life <= LIVES; life++) {
    await running.saidTimes('restarting', life);
    moments.push(footprint(running.process.pid ?? 0));
  }
  expect(await running.ended).toBe(9);

  const [early, late] = [moments.slice(10, 20), moments.slice(-10)];
  expect(least(late, 'descriptors')).toBeLessThanOrEqual(least(early, 'descriptors'));
  expect(least(late, 'zombies')).toBe(0);
  expect(least(late, 'residentMb') - least(early, 'residentMb')).toBeLessThan(15);
  expect(running.output).not.toMatch(/Warning/);
});
