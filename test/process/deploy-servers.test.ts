import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { afterEach, describe, expect, it } from 'vitest';
import { found, freshSecret, type Ran } from './deployment.ts';
import { DockerDeployment, SERVICE } from './docker-deployment.ts';
import { tracesIn } from './traces.ts';

const deployments: DockerDeployment[] = [];
afterEach(async () => {
  for (const one of deployments.splice(0)) await one.remove();
});

async function stage(): Promise<DockerDeployment> {
  const one = await DockerDeployment.make();
  deployments.push(one);
  return one;
}

const renewed = () => ({ COMFYUI_PASSWORD: freshSecret() });

/** A deploy that is told of each line that it says before the next is heard. */
async function watched(
  one: DockerDeployment,
  hears: (line: string) => unknown,
  env: Record<string, string> = renewed(),
  ...args: string[]
): Promise<Ran & { lines: string[] }> {
  const child = one.begin('deploy', env, '--timeout', '20s', ...args);
  let stdout = '';
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
  });
  const closed = once(child, 'close');
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.stderr })) {
    lines.push(line);
    await hears(line);
  }
  await closed;
  return { code: child.exitCode, stdout, stderr: lines.join('\n'), json: JSON.parse(stdout), lines };
}

/** The engine starts the container of the service again, as it does with one that has ended. */
async function restartedByEngine(one: DockerDeployment): Promise<void> {
  one.docker.change((state) => {
    for (const container of state.containers) {
      if (container.service !== SERVICE) continue;
      container.restarts += 1;
      container.startedAt = new Date().toISOString();
    }
  });
  await one.become('good');
}

const goodRounds = (lines: readonly string[], number: number) =>
  lines.filter((line) => line.includes(`round ${number} of`)).length;

/** Files and server are as they were. */
async function expectBack(one: DockerDeployment, before: readonly string[]): Promise<void> {
  expect(one.files).toEqual(before);
  expect((await one.run('probe', {})).code).toBe(0);
  expect(tracesIn(one.root)).toEqual([]);
}

describe('a proof', () => {
  it('begins anew where the process ends between two rounds', async () => {
    const one = await stage();
    let ended = false;
    const ran = await watched(one, async (line) => {
      if (ended || !line.includes('round 2 of')) return;
      ended = true;
      await restartedByEngine(one);
    });
    expect([ran.code, ran.json.status]).toEqual([0, 'deployed']);
    expect(goodRounds(ran.lines, 1)).toBe(2);
  });

  it('is none where the process ends after each second round', async () => {
    const one = await stage();
    const before = one.files;
    let forward = true;
    const ran = await watched(one, async (line) => {
      if (line.includes('back to')) forward = false;
      if (forward && line.includes('round 2 of')) await restartedByEngine(one);
    });
    expect([ran.code, ran.json.status]).toEqual([5, 'rolled-back']);
    expect(found(ran, 'container-restarting')).toHaveLength(1);
    expect(goodRounds(ran.lines, 3)).toBe(1);
    await expectBack(one, before);
  });

  it('begins anew where somebody else recreates the container meanwhile', async () => {
    const one = await stage();
    let done = false;
    const ran = await watched(one, async (line) => {
      if (done || !line.includes('round 2 of')) return;
      done = true;
      one.docker.change((state) => {
        for (const container of state.containers) {
          if (container.service !== SERVICE) continue;
          container.id = [...container.id].reverse().join('');
          container.startedAt = new Date().toISOString();
        }
      });
      await one.become('good');
    });
    expect([ran.code, ran.json.status]).toEqual([0, 'deployed']);
    expect(goodRounds(ran.lines, 1)).toBe(2);
  });

  it('is none where the server opens in a later round', async () => {
    const one = await stage();
    const before = one.files;
    let opened = false;
    const opens = async (line: string) => {
      if (opened || !line.includes('round 3 of')) return;
      opened = true;
      await one.become('open');
    };
    const ran = await watched(one, opens, renewed(), '--rounds', '6');
    expect([ran.code, ran.json.status]).toEqual([4, 'rolled-back']);
    expect(one.events).toEqual(['up', 'kill', 'up']);
    await expectBack(one, before);
  });
});

describe('a way back', () => {
  it('ends a server that opens while it is asked', async () => {
    const one = await stage();
    const before = one.files;
    let back = false;
    const ran = await watched(
      one,
      async (line) => {
        if (line.includes('back to')) back = true;
        if (back && line.includes('round 1 of')) await one.become('open');
      },
      { CONTENT: 'mute', ...renewed() },
      '--variable',
      'CONTENT',
      '--timeout',
      '2s',
    );
    expect([ran.code, ran.json.status]).toEqual([6, 'stopped']);
    expect(found(ran, 'open')).toHaveLength(1);
    expect(found(ran, 'left-stopped')).toMatchObject([{ args: { certain: true } }]);
    expect([one.files, one.serves]).toEqual([before, false]);
  });

  it('does not call a server ended that is slow to die', async () => {
    const one = await stage();
    const before = one.files;
    one.docker.change((state) => {
      state.on.kill = { idle: true };
    });
    one.content = 'open';
    const ran = await one.deploy(renewed());
    expect(ran.code).toBe(6);
    expect(found(ran, 'left-stopped')).toMatchObject([{ severity: 'critical', args: { certain: false } }]);
    expect(one.files).toEqual(before);
    // The next one ends it.
    one.docker.change((state) => {
      state.on = {};
    });
    one.content = undefined;
    const next = await one.deploy({});
    expect([next.code, next.json.status]).toEqual([4, 'deployed']);
    await expectBack(one, before);
  });
});
