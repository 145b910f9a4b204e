import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { afterEach, describe, expect, it } from 'vitest';
import { RunningService } from './deploy-stage.ts';
import { freshSecret } from './deployment.ts';
import { tracesIn } from './traces.ts';

const services: RunningService[] = [];
const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  for (const service of services.splice(0)) service.remove();
});

async function stage(): Promise<RunningService> {
  const service = await RunningService.start();
  services.push(service);
  return service;
}

/** A deploy in the background: its exit code with its result, and the lines that it says. */
function begin(service: RunningService, env: Record<string, string>, ...args: string[]) {
  const child = service.begin(env, ...args);
  children.push(child);
  let stdout = '';
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
  });
  const said = createInterface({ input: child.stderr });
  const heard = async (words: string) => {
    for await (const line of said) if (line.includes(words)) return;
  };
  const ended = once(child, 'close').then(([code]) => ({
    code,
    json: stdout === '' ? undefined : JSON.parse(stdout),
  }));
  return { child, heard, ended };
}

const renewed = () => ({ COMFYUI_PASSWORD: freshSecret() });

/** Nothing is left of what was begun, and the service is proven on what the files hold. */
function expectWhole(service: RunningService): void {
  expect(tracesIn(service.root)).toEqual([]);
  expect(service.files.env).toContain(`'${service.files.password?.split('\n')[0]}'`);
  const probe = service.run('probe', {});
  expect([probe.code, probe.json.status]).toEqual([0, 'proved']);
  const again = service.deploy({});
  expect([again.code, again.json.status]).toEqual([0, 'unchanged']);
}

describe('several at once', () => {
  it('ten deploys of ten passwords come one after the other; one of them stands', async () => {
    const service = await stage();
    const secrets = Array.from({ length: 10 }, renewed);
    const ends = await Promise.all(secrets.map((env) => begin(service, env, '--timeout', '55s').ended));
    // A plan may be made in the moment in which another replaces the files: then nothing was written.
    for (const { code, json } of ends) {
      expect([`0 deployed`, '3 changed-underneath']).toContain(`${code} ${json.error?.code ?? json.status}`);
    }
    expect(ends.filter(({ code }) => code === 0).length).toBeGreaterThan(5);
    expect(secrets.filter((one) => service.files.env?.includes(one.COMFYUI_PASSWORD))).toHaveLength(1);
    expectWhole(service);
  });

  it('a sync beside a deploy says that it is locked, and touches nothing', async () => {
    const service = await stage();
    const env = { MODE: 'mute', ...renewed() };
    const deploy = begin(service, env, '--variable', 'MODE', '--timeout', '3s');
    await deploy.heard('down');
    const files = service.files;
    const sync = service.run('sync', renewed());
    expect([sync.code, sync.json.error.code]).toEqual([3, 'locked']);
    expect(service.files).toEqual(files);
    expect((await deploy.ended).json.status).toBe('rolled-back');
    expectWhole(service);
  });

  it('whoever waits for one that is killed puts its change back, and makes its own', async () => {
    const service = await stage();
    const first = begin(service, { MODE: 'mute', ...renewed() }, '--variable', 'MODE');
    await first.heard('down');
    const env = renewed();
    const second = begin(service, env, '--timeout', '30s');
    await second.heard('waiting');
    first.child.kill('SIGKILL');
    const { code, json } = await second.ended;
    expect([code, json.status]).toEqual([0, 'deployed']);
    expect(json.recovered).toEqual({ action: 'rolled-back', command: 'deploy' });
    expect(service.files.env).toContain(env.COMFYUI_PASSWORD);
    expectWhole(service);
  });
});

describe('a state folder that is removed meanwhile', () => {
  it('is a change that cannot be recorded: everything goes back', async () => {
    const service = await stage();
    const before = service.files;
    const deploy = begin(service, renewed(), '--rounds', '8', '--timeout', '20s');
    await deploy.heard('round 1 ');
    rmSync(service.path('.comfyui-auth'), { recursive: true });
    const { code, json } = await deploy.ended;
    expect([code, json.error.code]).toEqual([5, 'write-failed']);
    expect(json.error.message).toContain('comfyui is as it was before');
    expect(service.files).toEqual(before);
    expectWhole(service);
  });

  it('does not hinder the way back', async () => {
    const service = await stage();
    const before = service.files;
    const env = { MODE: 'mute', ...renewed() };
    const deploy = begin(service, env, '--variable', 'MODE', '--timeout', '2s');
    await deploy.heard('down');
    rmSync(service.path('.comfyui-auth'), { recursive: true });
    const { code, json } = await deploy.ended;
    expect([code, json.status]).toEqual([5, 'rolled-back']);
    expect(service.files).toEqual(before);
    expectWhole(service);
  });
});
