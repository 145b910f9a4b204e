import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { afterEach, describe, expect, it } from 'vitest';
import { found, freshSecret } from './deployment.ts';
import { DockerDeployment, MONITOR, SERVICE } from './docker-deployment.ts';
import type { StubBehaviour, StubState } from './stub-docker.ts';

const deployments: DockerDeployment[] = [];
afterEach(async () => {
  for (const one of deployments.splice(0)) await one.remove();
});

async function stage(running = true): Promise<DockerDeployment> {
  const one = await DockerDeployment.make(running);
  deployments.push(one);
  return one;
}

const renewed = () => ({ COMFYUI_PASSWORD: freshSecret() });
const containersOf = (one: DockerDeployment, service = SERVICE) =>
  one.docker.state().containers.filter((container) => container.service === service);

describe('deploy through Compose', () => {
  it('recreates the container where the .env changed, and only that one', async () => {
    const one = await stage();
    const [before, monitor] = [containersOf(one), containersOf(one, MONITOR)];
    const ran = await one.deploy(renewed());
    expect([ran.code, ran.json.status]).toEqual([0, 'deployed']);
    expect(ran.json.services[0].restart).toMatchObject({ driver: 'compose', action: 'recreate' });
    expect(ran.json.services[0].restart.startedAt).toBe(containersOf(one)[0]?.startedAt);
    expect(containersOf(one)[0]?.id).not.toBe(before[0]?.id);
    expect(containersOf(one, MONITOR)).toEqual(monitor);
    expect(one.events).toEqual(['up']);
    const again = await one.deploy({});
    expect([again.code, again.json.status]).toEqual([0, 'unchanged']);
    expect(one.events).toEqual(['up']);
  });

  it('restarts it where only a file in a mounted folder changed', async () => {
    const one = await stage();
    one.write('workspace/login/PASSWORD', `${one.bearer}\nanother`);
    const ran = await one.deploy({});
    expect([ran.code, ran.json.status]).toEqual([0, 'deployed']);
    expect(ran.json.services[0].restart.action).toBe('restart');
    expect(one.events).toEqual(['restart']);
  });

  it.each<[string, StubBehaviour, RegExp]>([
    ['exit code 1', { exit: 1, stderr: 'no space left on device\n' }, /no space left/],
    ['exit code 125', { exit: 125 }, /125/],
    ['restarts nothing', { idle: true }, /no new process/],
    ['restarts another', { service: MONITOR }, /no new process/],
  ])(
    'goes back where Compose fails, and lets the process of before go on: %s',
    async (_, behaviour, reason) => {
      const one = await stage();
      const [before, container] = [one.files, containersOf(one)];
      one.docker.change((state) => {
        state.on.up = behaviour;
      });
      const ran = await one.deploy(renewed());
      expect([ran.code, ran.json.status]).toEqual([5, 'rolled-back']);
      expect(found(ran, 'restart-failed')[0]?.message).toMatch(reason);
      expect(one.files).toEqual(before);
      expect(containersOf(one)).toEqual(container);
      expect((await one.run('probe', {})).code).toBe(0);
    },
  );

  it('repeats nothing secret of what Compose says', async () => {
    const one = await stage();
    const env = renewed();
    const said = `cannot start ${env.COMFYUI_PASSWORD} ${one.bearer} ${one.password}\n`;
    one.docker.change((state) => {
      state.on.up = { exit: 1, stderr: said, stdout: said };
    });
    const ran = await one.deploy(env);
    for (const secret of [env.COMFYUI_PASSWORD, one.bearer, one.bearer.slice(7), one.password]) {
      expect(ran.stdout + ran.stderr).not.toContain(secret);
    }
  });

  it.each<[string, Partial<StubState>, string, number]>([
    ['engine down', { engine: 'down' }, 'engine-unreachable', 3],
    ['engine forbidden', { engine: 'forbidden' }, 'engine-unreachable', 3],
    ['no Compose', { compose: 'none' }, 'compose-missing', 3],
  ])('writes nothing where the containers cannot be asked: %s', async (_, fault, code, exit) => {
    const one = await stage();
    const before = one.files;
    one.docker.change((state) => Object.assign(state, fault));
    const ran = await one.deploy(renewed());
    expect([ran.code, ran.json.error?.code]).toEqual([exit, code]);
    expect(one.files).toEqual(before);
    expect(one.serves).toBe(true);
  });

  it('knows Compose v1', async () => {
    const one = await stage();
    one.docker.change((state) => {
      state.compose = 'v1';
      state.version = '25.0.5';
    });
    const ran = await one.deploy(renewed());
    expect([ran.code, ran.json.status]).toEqual([0, 'deployed']);
    expect(one.docker.calls('up')[0]?.program).toBe('docker-compose');
  });

  it('ends a container that is open at once, and goes back', async () => {
    const one = await stage();
    const before = one.files;
    const ran = await one.deploy({ CONTENT: 'open' }, '--variable', 'CONTENT');
    expect([ran.code, ran.json.status]).toEqual([4, 'rolled-back']);
    expect(one.events).toEqual(['up', 'kill', 'up']);
    expect(one.files).toEqual(before);
    expect(containersOf(one)[0]).toMatchObject({ status: 'running', policy: 'unless-stopped' });
  });

  it('a first deploy that fails leaves the service as it was: not running', async () => {
    const one = await stage(false);
    const before = one.files;
    one.content = 'mute';
    const ran = await one.deploy(renewed(), '--timeout', '2s');
    expect([ran.code, ran.json.status]).toEqual([5, 'rolled-back']);
    expect(one.files).toEqual(before);
    expect(containersOf(one)[0]).toMatchObject({ status: 'exited', policy: 'no' });
  });

  it('starts a service that is not there, though no file changes', async () => {
    const one = await stage(false);
    const ran = await one.deploy({});
    expect([ran.code, ran.json.status, ran.json.backup]).toEqual([0, 'deployed', null]);
    expect(one.events).toEqual(['up']);
  });

  it.each([
    ['exited', { exitCode: 78 }, 'container-exited'],
    ['restarting', { exitCode: 78, restarts: 3 }, 'container-restarting'],
  ] as const)('does not wait for a container that is %s', async (status, more, code) => {
    const one = await stage();
    one.content = 'mute';
    one.docker.change((state) => {
      state.on.up = { status };
      state.services[SERVICE] = { ...more };
    });
    const start = performance.now();
    const ran = await one.deploy(renewed(), '--timeout', '50s');
    expect(performance.now() - start).toBeLessThan(25_000);
    expect(ran.code).toBe(6);
    expect(found(ran, code).length).toBeGreaterThan(0);
  });

  it('is ended within 2 s while Compose hangs', async () => {
    const one = await stage();
    const before = one.files;
    one.docker.change((state) => {
      state.on.up = { hang: true };
    });
    const child = one.begin('deploy', renewed());
    for await (const line of createInterface({ input: child.stderr })) if (line.includes('recreating')) break;
    const start = performance.now();
    child.kill('SIGTERM');
    const [code] = await once(child, 'close');
    expect(performance.now() - start).toBeLessThan(2000);
    expect(code).toBe(6);
    one.docker.change((state) => {
      state.on = {};
    });
    const next = await one.run('sync', {});
    expect([next.code, next.json.recovered]).toEqual([0, { action: 'rolled-back', command: 'deploy' }]);
    expect(one.files).toEqual(before);
    expect(one.events).toEqual(['up']);
  });

  it('gives the programs nothing that would beat the .env, and no credential', async () => {
    const one = await stage();
    const env = { ...renewed(), CONTENT: 'open' };
    const ran = await one.deploy(env);
    expect(ran.code).toBe(0);
    for (const call of one.docker.calls()) {
      expect(call.env).not.toHaveProperty('CONTENT');
      expect(JSON.stringify(call)).not.toContain(env.COMFYUI_PASSWORD);
    }
  });
});
