import { afterEach, describe, expect, it } from 'vitest';
import { untilQuiet } from '../process/at-work.ts';
import { type Break, BreakIn } from '../process/breakpoints.ts';
import { freshSecret } from '../process/deployment.ts';
import { DockerDeployment, SERVICE } from '../process/docker-deployment.ts';
import { tracesIn } from '../process/traces.ts';

/* Lets each call of a deploy to the disk fail, once and from then on. FAULTS=1 takes every call; else a sample. */
const EVERY = Number(process.env.FAULTS ?? 9);
const ERRNOS = ['ENOSPC', 'EIO', 'EROFS'];

const deployments: DockerDeployment[] = [];
afterEach(async () => {
  for (const one of deployments.splice(0)) await one.remove();
});

async function broken(args: string[], point: Break) {
  const one = await DockerDeployment.make();
  deployments.push(one);
  const before = one.files;
  const into = new BreakIn(one.root, one.docker.folder);
  const env = { COMFYUI_PASSWORD: freshSecret(), CONTENT: 'mute', ...into.env({ errno: 'none', ...point }) };
  const ran = await one.deploy(env, ...args);
  await untilQuiet(one.docker.folder);
  return { one, before, ran, steps: into.steps };
}

/** A journal that never came to its place says nothing, and goes with the next change. */
const leftIn = (one: DockerDeployment) =>
  tracesIn(one.root).filter((name) => name !== '.comfyui-auth/journal.new');

type Broken = Awaited<ReturnType<typeof broken>>;

const isOld = ({ one, before }: Broken) => one.files.join() === before.join();

/** What the exit code says is so. */
function expectTrue(label: string, it: Broken): void {
  const { one, before, ran } = it;
  if (ran.code !== 6) {
    expect([label, ran.code]).toEqual([label, isOld(it) ? 5 : 0]);
    expect([label, one.serves]).toEqual([label, true]);
    return;
  }
  const stands = one.files.map((text, index) => (text === before[index] ? 'as it was' : 'the new content'));
  const { message } = ran.json.error;
  expect([label, message]).toEqual([label, expect.stringContaining(`.env: ${stands[0]}`)]);
  expect([label, message]).toEqual([label, expect.stringContaining(`PASSWORD: ${stands[1]}`)]);
  // One that was told nothing goes on as it was.
  if (one.events.length === 0) return;
  const service = one.serves ? 'runs with the new files' : 'was stopped';
  expect([label, message]).toEqual([label, expect.stringContaining(`${SERVICE} ${service}`)]);
}

/** The next command, whose disk is sound, leaves all old or all new, and the service proven on that. */
async function expectMended(label: string, it: Broken): Promise<void> {
  const { one, ran } = it;
  const said = ran.code;
  const next = await one.run('sync', {});
  expect([label, next.code]).toEqual([label, 0]);
  expect([label, leftIn(one)]).toEqual([label, []]);
  const whole = isOld(it) || one.files.every((text, index) => text !== it.before[index]);
  expect([label, whole]).toEqual([label, true]);
  if (said !== 6) expect([label, isOld(it)]).toEqual([label, said === 5]);
  const probe = await one.run('probe', {}, '--timeout', '10s');
  expect([label, probe.code]).toEqual([label, 0]);
}

const PLAYS = { 'that stands': [], 'that goes back': ['--variable', 'CONTENT', '--timeout', '1s'] };

describe.skipIf(process.platform !== 'linux')('a deploy', () => {
  it.each(Object.entries(PLAYS))('%s leaves nothing unsaid, whichever call fails', async (_, args) => {
    const { steps, ran: whole } = await broken(args, {});
    expect(whole.code).toBe(args.length === 0 ? 0 : 5);
    const chosen = [...steps.keys()].filter((one) => one % EVERY === 0 || steps[one]?.startsWith('rename'));
    const codes = new Set<number | null>();
    for (const [index, step] of chosen.entries()) {
      for (const on of [false, true]) {
        const errno = ERRNOS[index % ERRNOS.length] ?? 'EIO';
        const label = `${step + 1}${on ? '+' : ''} ${errno}: ${steps[step]}`;
        const it = await broken(args, { at: step + 1, errno, on });
        codes.add(it.ran.code);
        expectTrue(label, it);
        await expectMended(label, it);
        await deployments.pop()?.remove();
      }
    }
    console.log(`${chosen.length} of ${steps.length} calls`);
    expect([...codes].sort()).toEqual(args.length === 0 ? [0, 5, 6] : [5, 6]);
  });
});
