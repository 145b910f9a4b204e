import { afterEach, describe, expect, it } from 'vitest';
import { untilQuiet } from '../process/at-work.ts';
import { type Break, BreakIn } from '../process/breakpoints.ts';
import { freshSecret } from '../process/deployment.ts';
import { DockerDeployment } from '../process/docker-deployment.ts';
import { backupsIn, tracesIn } from '../process/traces.ts';

/*
 * Kills a deploy at each thing that it does: to files, with programs, with requests. KILLS=1 takes every point; without
 * it a sample has to do.
 */
const EVERY = Number(process.env.KILLS ?? 9);

const posix = process.platform === 'linux';
const deployments: DockerDeployment[] = [];
afterEach(async () => {
  for (const one of deployments.splice(0)) await one.remove();
});

async function stage(): Promise<DockerDeployment> {
  const one = await DockerDeployment.make();
  deployments.push(one);
  return one;
}

interface Play {
  env: () => Record<string, string>;
  args: string[];
  /** What the points before it have to do with has been seen in another play. */
  from?: string;
}

const PLAYS: Record<string, Play> = {
  'that stands': { env: () => ({ COMFYUI_PASSWORD: freshSecret() }), args: [] },
  'that goes back': {
    env: () => ({ COMFYUI_PASSWORD: freshSecret(), CONTENT: 'mute' }),
    args: ['--variable', 'CONTENT', '--timeout', '1s'],
    from: '^rename .*\\.old$',
  },
  'that was open': {
    env: () => ({ COMFYUI_PASSWORD: freshSecret(), CONTENT: 'open' }),
    args: ['--variable', 'CONTENT'],
    from: '^before docker kill',
  },
};

async function play(one: DockerDeployment, { env, args, from = '' }: Play, into: BreakIn, point: Break = {}) {
  const ran = await one.deploy({ ...env(), ...into.env({ from, ...point }) }, ...args);
  await untilQuiet(one.docker.folder);
  return ran;
}

/** The steps of an undisturbed run. */
async function stepsOf(how: Play): Promise<string[]> {
  const one = await stage();
  const into = new BreakIn(one.root, one.docker.folder);
  await play(one, how, into);
  expect(tracesIn(one.root)).toEqual([]);
  return into.steps;
}

/** The points to break at: a sample, and each rename of a file, each journal's place, each removal of what was kept. */
function pointsOf(steps: readonly string[]): number[] {
  const telling = /^(rename|unlink .*\.old)/;
  return steps.flatMap((label, index) => (index % EVERY === 0 || telling.test(label) ? [index + 1] : []));
}

/** A journal that never came to its place says nothing, and goes with the next change. */
const leftIn = (one: DockerDeployment) =>
  tracesIn(one.root).filter((name) => name !== '.comfyui-auth/journal.new');

/** All old or all new, the service proven on that, nothing left over, and nothing more to do. */
async function expectWhole(one: DockerDeployment, before: readonly string[], label: string) {
  const { files } = one;
  const [env = '', password = ''] = files;
  const bearer = password.split('\n')[0] ?? '';
  expect([label, env.includes(`'${bearer}'`)]).toEqual([label, true]);
  const isOld = env === before[0] && password === before[1];
  expect([label, isOld || (env !== before[0] && password !== before[1])]).toEqual([label, true]);
  expect([label, leftIn(one)]).toEqual([label, []]);
  expect([label, backupsIn(one.root).length]).toEqual([label, isOld ? 0 : 1]);
  const probe = await one.run('probe', {}, '--timeout', '10s');
  expect([label, probe.code, probe.json.status]).toEqual([label, 0, 'proved']);
  const events = [...one.events];
  const again = await one.run('deploy', {}, '--timeout', '10s');
  expect([label, again.code, again.json.status]).toEqual([label, 0, 'unchanged']);
  expect([label, one.files, one.events]).toEqual([label, files, events]);
  return isOld ? 'old' : 'new';
}

describe.skipIf(!posix)('a deploy', () => {
  it.each(Object.entries(PLAYS))(
    '%s, killed at each of its steps, is whole after the next command',
    async (_, how) => {
      const steps = await stepsOf(how);
      const points = pointsOf(steps);
      const ends = new Set<string>();
      for (const [index, at] of points.entries()) {
        const one = await stage();
        const before = one.files;
        const ran = await play(one, how, new BreakIn(one.root, one.docker.folder), { at });
        const label = `${at}: ${steps[at - 1]}`;
        expect([label, ran.code]).toEqual([label, null]);
        const next = await one.run(index % 2 === 0 ? 'sync' : 'deploy', {});
        expect([label, next.code, next.stderr.includes('NOT')]).toEqual([label, 0, false]);
        ends.add(await expectWhole(one, before, label));
        await deployments.pop()?.remove();
      }
      console.log(`${points.length} of ${steps.length} points`);
      expect(points.length).toBeGreaterThan(steps.length / EVERY - 1);
      expect([...ends].sort()).toEqual(how.args.length === 0 ? ['new', 'old'] : ['old']);
    },
  );
});

describe.skipIf(!posix)('a recovery', () => {
  it.each(['request', 'unlink .*\\.old'])(
    'after a kill at %s, killed again at each of its steps',
    async (match) => {
      const standing = PLAYS['that stands'] as Play;
      const recovery = async (point?: Break) => {
        const one = await stage();
        const before = one.files;
        const into = new BreakIn(one.root, one.docker.folder);
        expect((await play(one, standing, into, { match: `^${match}` })).code).toBeNull();
        const ran = await one.run('sync', into.env(point));
        await untilQuiet(one.docker.folder);
        return { one, before, ran, steps: into.steps };
      };
      const { steps, ran: whole } = await recovery();
      expect(whole.json.recovered.action).toBe(match === 'request' ? 'rolled-back' : 'cleaned');
      const points = pointsOf(steps);
      for (const at of points) {
        const { one, before, ran } = await recovery({ at });
        const label = `${at}: ${steps[at - 1]}`;
        expect([label, ran.code]).toEqual([label, null]);
        expect([label, (await one.run('sync', {})).code]).toEqual([label, 0]);
        expect(await expectWhole(one, before, label)).toBe(match === 'request' ? 'old' : 'new');
        await deployments.pop()?.remove();
      }
      console.log(`${points.length} of ${steps.length} points`);
      expect(points.length).toBeGreaterThan(steps.length / EVERY - 1);
    },
  );
});
