import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { crashAgainAndAgain, footprint, least } from './entrypoint-footprint.ts';
import { cheapHash, Deployment, freshPassword } from './entrypoint-harness.ts';

const LIVES = 60;

let deployment: Deployment;
beforeEach(async () => {
  deployment = await Deployment.make();
  writeFileSync(deployment.password, `${cheapHash(freshPassword())}\nada`);
});
afterEach(() => deployment.remove());

test(`${LIVES} lives leave nothing behind: no descriptor, no zombie, no memory, no listener`, async () => {
  const { moments, code, output } = await crashAgainAndAgain(deployment, LIVES);
  expect(code).toBe(9);
  const [early, late] = [moments.slice(10, 20), moments.slice(-10)];
  expect(least(late, 'descriptors')).toBeLessThanOrEqual(least(early, 'descriptors'));
  expect(least(late, 'zombies')).toBe(0);
  expect(least(late, 'residentMb') - least(early, 'residentMb')).toBeLessThan(15);
  expect(output).not.toMatch(/Warning/);
}, 120_000);

test('what has left the group of a child, and holds its output open, costs no descriptor', async () => {
  const before = join(deployment.folder, 'before');
  // It gives up by itself at the end of the test.
  const daemon = `while test -e '${deployment.folder}'; do sleep 0.2; done`;
  const script = `test -e '${before}' && { setsid sh -c "${daemon}" & exit 9; }; touch '${before}'; ${deployment.serve()}`;
  const env = { RESTART_BUDGET: '2', RESTART_BACKOFF: '1s..1s' };
  const running = deployment.start(['run', '--', 'sh', '-c', script], env);
  await running.said(/^ready/m);
  process.kill(deployment.childPid, 'SIGKILL');
  await running.saidTimes('restarting', 1);
  const { descriptors } = footprint(running.process.pid ?? 0);
  await running.saidTimes('restarting', 2);
  await expect.poll(() => footprint(running.process.pid ?? 0).descriptors).toBeLessThanOrEqual(descriptors);
  expect(await running.stop()).toBe(0);
});
