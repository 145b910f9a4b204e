import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, watch } from 'node:fs';
import { text } from 'node:stream/consumers';
import { afterEach, describe, expect, it } from 'vitest';
import { untilQuiet } from './at-work.ts';
import { BreakIn } from './breakpoints.ts';
import { freshSecret } from './deployment.ts';
import { DockerDeployment } from './docker-deployment.ts';
import { tracesIn } from './traces.ts';

const deployments: DockerDeployment[] = [];
afterEach(async () => {
  for (const one of deployments.splice(0)) await one.remove();
});

/** A deployment whose deploy was killed in the gate, and whose Docker hangs from then on. */
async function cutOff(): Promise<{ one: DockerDeployment; before: string[] }> {
  const one = await DockerDeployment.make();
  deployments.push(one);
  const before = one.files;
  const broken = new BreakIn(one.root, one.docker.folder);
  const env = { COMFYUI_PASSWORD: freshSecret(), ...broken.env({ match: '^request' }) };
  expect((await one.deploy(env)).code).toBeNull();
  expect(one.files).not.toEqual(before);
  one.docker.change((state) => {
    state.on = { up: { hang: true } };
  });
  return { one, before };
}

/** Resolves when Docker was told for the second time to start the service. */
const upAgain = (one: DockerDeployment) =>
  new Promise<void>((done) => {
    const look = () => {
      if (one.docker.calls('up').length < 2) return;
      watcher.close();
      done();
    };
    const watcher = watch(one.docker.folder, look);
    look();
  });

async function endBy(child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> {
  const exited = once(child, 'exit');
  child.kill(signal);
  return (await exited)[0];
}

describe.skipIf(process.platform !== 'linux')('a sync that is ended while it recovers a service', () => {
  it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    'by %s says so, keeps the journal, and nothing of it goes on',
    async (signal) => {
      const { one, before } = await cutOff();
      const child = one.begin('sync', {});
      child.stderr.resume();
      const said = text(child.stdout);
      await upAgain(one);
      expect(await endBy(child, signal)).toBe(6);
      expect(JSON.parse(await said).error.code).toBe('interrupted');
      expect([one.files, existsSync(one.path('.comfyui-auth/journal.json'))]).toEqual([before, true]);
      await untilQuiet(one.docker.folder);
      one.docker.change((state) => {
        state.on = {};
      });
      expect((await one.run('sync', {})).code).toBe(0);
      expect((await one.run('probe', {})).code).toBe(0);
      expect(tracesIn(one.root)).toEqual([]);
    },
  );
});
