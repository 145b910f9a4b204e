import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, watch, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, describe, expect, it } from 'vitest';
import { untilQuiet } from './at-work.ts';
import { RunningService } from './deploy-stage.ts';
import { freshSecret } from './deployment.ts';
import { DockerDeployment, SERVICE } from './docker-deployment.ts';
import type { StubBehaviour } from './stub-docker.ts';
import { tracesIn } from './traces.ts';

const deployments: DockerDeployment[] = [];
const services: RunningService[] = [];
const children: ChildProcess[] = [];
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  for (const one of deployments.splice(0)) await one.remove();
  for (const service of services.splice(0)) service.remove();
});

async function stage(on: Record<string, StubBehaviour>): Promise<DockerDeployment> {
  const one = await DockerDeployment.make();
  deployments.push(one);
  one.docker.change((state) => {
    state.on = on;
  });
  return one;
}

/** Resolves when a file of a folder fulfils something. */
const until = (path: string, isSo: () => boolean) =>
  new Promise<void>((done) => {
    const look = () => {
      if (!isSo()) return;
      watcher.close();
      done();
    };
    const watcher = watch(path, look);
    look();
  });

const called = (one: DockerDeployment, verb: string, times = 1) =>
  until(one.docker.folder, () => one.docker.calls(verb).length >= times);

interface Ended {
  code: number | null;
  ms: number;
  stdout: string;
}

/** Sends a signal to a program, and waits for its end. */
async function endBy(child: ChildProcess, stdout: Promise<string>, signal: NodeJS.Signals): Promise<Ended> {
  const start = performance.now();
  const exited = once(child, 'exit');
  child.kill(signal);
  const [code] = await exited;
  return { code, ms: performance.now() - start, stdout: await stdout };
}

async function textOf(stream: NodeJS.ReadableStream): Promise<string> {
  let all = '';
  for await (const chunk of stream) all += chunk;
  return all;
}

function begin(one: DockerDeployment, env: Record<string, string>, ...args: string[]) {
  const child = one.begin('deploy', env, ...args);
  child.stderr.resume();
  return { child, stdout: textOf(child.stdout) };
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
const open = () => ({ CONTENT: 'open', COMFYUI_PASSWORD: freshSecret() });

describe('a deploy that is ended while docker hangs', () => {
  it.each([
    ['which Compose it is', 'compose-version', 1, 3],
    ['which containers there are', 'ps', 1, 3],
    ['how they stand', 'inspect', 1, 3],
    ['to make a new container', 'up', 1, 6],
    ['to end an open server', 'kill', 1, 6],
    ['to keep it ended', 'update', 1, 6],
  ] as const)('asked %s leaves within 2 s, and nothing of it goes on', async (_, verb, times, exit) => {
    for (const signal of SIGNALS) {
      const one = await stage({ [verb]: { hang: true } });
      const before = one.files;
      const { child, stdout } = begin(one, open(), '--variable', 'CONTENT');
      await called(one, verb, times);
      const ended = await endBy(child, stdout, signal);
      expect(ended.ms).toBeLessThan(2000);
      expect([signal, ended.code, JSON.parse(ended.stdout).error?.code]).toEqual([
        signal,
        exit,
        'interrupted',
      ]);
      await untilQuiet(one.docker.folder);
      one.docker.change((state) => {
        state.on = {};
      });
      expect((await one.run('sync', {})).code).toBe(0);
      expect(one.files).toEqual(before);
      expect((await one.run('probe', {})).code).toBe(0);
      expect(tracesIn(one.root)).toEqual([]);
    }
  });

  it('says that a server was open which it had no time to end', async () => {
    const one = await stage({ kill: { hang: true } });
    const { child, stdout } = begin(one, open(), '--variable', 'CONTENT');
    await called(one, 'kill');
    const { stdout: said } = await endBy(child, stdout, 'SIGTERM');
    expect(JSON.parse(said).error.message).toContain(`${SERVICE} was open to everyone`);
    expect(JSON.parse(said).error.message).toContain('could NOT be stopped');
  });

  it('on the way back leaves the journal, and the old files', async () => {
    const one = await stage({});
    const before = one.files;
    const env = { CONTENT: 'mute', COMFYUI_PASSWORD: freshSecret() };
    const child = one.begin('deploy', env, '--variable', 'CONTENT', '--timeout', '2s');
    const stdout = textOf(child.stdout);
    for await (const line of createInterface({ input: child.stderr })) {
      if (!line.includes('down')) continue;
      one.docker.change((state) => {
        state.on.up = { hang: true };
      });
      break;
    }
    child.stderr.resume();
    await called(one, 'up', 2);
    const ended = await endBy(child, stdout, 'SIGINT');
    expect(ended.ms).toBeLessThan(2000);
    expect(ended.code).toBe(6);
    expect(one.files).toEqual(before);
    expect(existsSync(one.path('.comfyui-auth/journal.json'))).toBe(true);
    await untilQuiet(one.docker.folder);
    one.docker.change((state) => {
      state.on = {};
    });
    expect((await one.run('sync', {})).code).toBe(0);
    expect((await one.run('probe', {})).code).toBe(0);
    expect(tracesIn(one.root)).toEqual([]);
  });

  it.each(SIGNALS)('ends at once by a second %s; the journal stays', async (signal) => {
    const one = await stage({ kill: { until: 'go' } });
    const before = one.files;
    const { child } = begin(one, open(), '--variable', 'CONTENT');
    await called(one, 'kill');
    const start = performance.now();
    // Two that come together count as one.
    while (child.exitCode === null && child.signalCode === null) {
      child.kill(signal);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(performance.now() - start).toBeLessThan(2000);
    expect(child.signalCode).toBe(signal);
    // Whoever insists does not wait for what was begun.
    writeFileSync(join(one.docker.folder, 'go'), '');
    await untilQuiet(one.docker.folder);
    expect((await one.run('sync', {})).json.recovered).toEqual({ action: 'rolled-back', command: 'deploy' });
    expect(one.files).toEqual(before);
    expect((await one.run('probe', {})).code).toBe(0);
  });
});

describe('a deploy that is ended while its command hangs', () => {
  // Ignores what it can, and leaves its output to a child that outlives it.
  const HANGING = (folder: string) =>
    `trap '' INT TERM HUP\nsh -c "trap '' INT TERM HUP; tail -f ${folder}/begun" &\necho begun > ${folder}/begun\ntail -f ${folder}/begun\n`;

  it.each(SIGNALS)('leaves within 2 s by %s, and ends all of it', async (signal) => {
    const service = await RunningService.start();
    services.push(service);
    const before = service.files;
    const layout = service.read('comfyui-auth.yml');
    service.write('begun', '');
    service.write('hang.sh', HANGING(service.root));
    const command = JSON.stringify(['sh', service.path('hang.sh')]);
    service.write('comfyui-auth.yml', layout.replace(/command: \[.*?\](?=,)/, `command: ${command}`));
    const child = service.begin({ COMFYUI_PASSWORD: freshSecret() });
    children.push(child);
    child.stderr.resume();
    const stdout = textOf(child.stdout);
    await until(service.path('begun'), () => readFileSync(service.path('begun'), 'utf8') !== '');
    const ended = await endBy(child, stdout, signal);
    expect(ended.ms).toBeLessThan(2000);
    expect([ended.code, JSON.parse(ended.stdout).error.code]).toEqual([6, 'interrupted']);
    await untilQuiet(service.path('begun'));
    service.write('comfyui-auth.yml', layout);
    expect(service.run('sync', {}).code).toBe(0);
    expect(service.files).toEqual(before);
    expect(service.run('probe', {}).code).toBe(0);
    expect(tracesIn(service.root)).toEqual([]);
  });
});
