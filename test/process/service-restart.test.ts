import { rmSync } from 'node:fs';
import { beforeEach, describe, expect, it } from 'vitest';
import { NotBegun } from '../../src/service/driver.ts';
import { bearer, ComposeStage, failureOf, MONITOR, password, SERVICE } from './compose-stage.ts';
import { expectSilent } from './silence.ts';

const INEFFECTIVE = { code: 'restart-ineffective', exit: 5 };

let stage: ComposeStage;
beforeEach(() => {
  stage = new ComposeStage();
});

describe('a restart', () => {
  it('starts another process in the same container', async () => {
    const id = stage.stub.add(SERVICE);
    const [before] = stage.of();
    await stage.driver().restart('restart');
    expect(stage.of()).toMatchObject([{ id, status: 'running' }]);
    expect(stage.of()[0]?.startedAt).not.toBe(before?.startedAt);
    expect(stage.verbs).not.toContain('up');
  });

  it.each(['exited', 'created', undefined])('makes a container anew where it is %s', async (status) => {
    const old = status === undefined ? undefined : stage.stub.add(SERVICE, { status });
    await stage.driver().restart('restart');
    expect(stage.of()).toMatchObject([{ status: 'running' }]);
    expect(stage.of()[0]?.id).not.toBe(old);
  });

  it.each(['recreate', 'restart'] as const)(
    'to %s clears away what one that was cut off left',
    async (action) => {
      const never = { status: 'created', startedAt: '0001-01-01T00:00:00Z' };
      const [left, old] = [stage.stub.add(SERVICE, never), stage.stub.add(SERVICE)];
      await stage.driver().restart(action);
      expect(stage.stub.calls('rm').map((call) => call.args)).toEqual([['rm', left]]);
      expect(stage.of()).toMatchObject([{ status: 'running' }]);
      expect(stage.of()[0]?.id === old).toBe(action === 'restart');
    },
  );

  it('recreates each container of a scaled service', async () => {
    const old = [stage.stub.add(SERVICE), stage.stub.add(SERVICE)];
    await stage.driver().restart('recreate');
    expect(stage.of()).toHaveLength(2);
    expect(stage.of().filter((one) => old.includes(one.id))).toEqual([]);
  });

  it('that leaves one of two containers as it was was none', async () => {
    stage.stub.add(SERVICE);
    stage.stub.add(SERVICE);
    stage.when('restart', { first: true });
    expect(await failureOf(stage.driver().restart('restart'))).toMatchObject(INEFFECTIVE);
  });

  it('counts where the new process ends at once: that is for others to judge', async () => {
    stage.stub.add(SERVICE);
    stage.when('up', { status: 'exited' });
    await stage.driver().restart('recreate');
    expect((await stage.driver().containers()).map((one) => one.status)).toEqual(['exited']);
  });

  it.each([
    ['recreate', 'up', { idle: true }],
    ['restart', 'restart', { idle: true }],
    ['recreate', 'up', { service: MONITOR }],
    ['restart', 'restart', { service: MONITOR }],
  ] as const)(
    'to %s that does not reach the service is no success (%s %o)',
    async (action, verb, instead) => {
      stage.stub.add(SERVICE);
      stage.stub.add(MONITOR);
      stage.when(verb, instead);
      expect(await failureOf(stage.driver().restart(action))).toMatchObject(INEFFECTIVE);
    },
  );

  it('that does not start a stopped service is no success', async () => {
    stage.stub.add(SERVICE, { status: 'exited' });
    stage.when('up', { idle: true });
    expect(await failureOf(stage.driver().restart('recreate'))).toMatchObject(INEFFECTIVE);
  });

  it.each([1, 125])('that ends with %i fails, without a secret in its words', async (exit) => {
    stage.stub.add(SERVICE);
    const noise = `it says ${bearer} and ${password}\n`;
    const stderr = `${noise}Error: no \x1b[31m${password.slice(0, 9)}\x1b[0m${password.slice(9)} here\n`;
    stage.when('up', { exit, stdout: noise, stderr });
    const failure = await failureOf(stage.driver().restart('recreate'));
    expect(failure).toMatchObject({ code: 'restart-failed', exit: 5 });
    expect(failure.message).toContain(`exit code ${exit}: Error: no [secret] here`);
    expectSilent(`${failure.message} ${failure.remedy}`, [bearer, password]);
  });

  it('that does not end is given up', async () => {
    stage.stub.add(SERVICE);
    stage.when('up', { hang: true });
    const failure = await failureOf(stage.driver({ timeoutMs: 3000 }).restart('recreate'));
    expect(failure).toMatchObject({ code: 'restart-failed', exit: 5 });
    expect(failure.message).toContain('did not end within 3 s');
  });

  it('is given up at once where it is cancelled', async () => {
    stage.stub.add(SERVICE);
    const cancel = new AbortController();
    const reason = new Error('cancelled');
    await stage.stub.serve(() => {
      cancel.abort(reason);
      return new Promise(() => undefined);
    });
    await expect(stage.driver().restart('recreate', cancel.signal)).rejects.toBe(reason);
    await expect(stage.driver().restart('recreate', cancel.signal)).rejects.toBe(reason);
    expect(stage.stub.calls('up')).toHaveLength(1);
  });
});

describe('Compose v1 on an engine that is too new for it', () => {
  const on = (version: string, compose = 'v1') =>
    stage.stub.change((state) => Object.assign(state, { compose, version }));

  it.each(['26.0.0', '26.1.5', '28.3.2+dfsg1'])(
    'recreates nothing, and touches nothing: %s',
    async (version) => {
      on(version);
      const never = { status: 'created', startedAt: '0001-01-01T00:00:00Z' };
      for (const more of [{}, never]) stage.stub.add(SERVICE, more);
      const before = stage.of();
      const failure = await failureOf(stage.driver().restart('recreate'));
      expect(failure).toBeInstanceOf(NotBegun);
      expect(failure).toMatchObject({ code: 'restart-failed', exit: 5 });
      expect(failure.message).toContain('docker-compose 1.x cannot recreate a container on Docker Engine 26');
      expect(failure.remedy).toContain('install the Compose plugin');
      expect(stage.of()).toEqual(before);
      expect(['up', 'rm', 'kill'].filter((verb) => stage.verbs.includes(verb))).toEqual([]);
    },
  );

  it('does not recreate a container that has ended, either', async () => {
    on('26.1.5');
    stage.stub.add(SERVICE, { status: 'exited' });
    expect(await failureOf(stage.driver().restart('restart'))).toBeInstanceOf(NotBegun);
  });

  it('makes a first container, and starts another process in one', async () => {
    on('26.1.5');
    await stage.driver().restart('recreate');
    await stage.driver().restart('restart');
    expect(stage.of()).toMatchObject([{ status: 'running' }]);
  });

  it.each([
    ['25.0.5', 'v1'],
    ['20.10.24+dfsg1', 'v1'],
    ['26.1.5', 'plugin'],
    ['26.1.5', 'standalone'],
    ['', 'v1'],
  ])('is no concern of engine "%s" with Compose %s', async (version, compose) => {
    on(version, compose);
    const old = stage.stub.add(SERVICE);
    await stage.driver().restart('recreate');
    expect(stage.of()[0]?.id).not.toBe(old);
  });
});

describe('an end', () => {
  it('comes before any question where the containers are known', async () => {
    stage.stub.add(SERVICE);
    const service = stage.driver();
    await service.containers();
    const before = stage.stub.calls().length;
    expect(await service.stop()).toBe(true);
    expect(stage.verbs[before]).toBe('kill');
    expect(stage.stub.calls('stop')).toEqual([]);
  });

  it('is no end where the container goes on', async () => {
    stage.stub.add(SERVICE);
    stage.when('kill', { idle: true });
    expect(await stage.driver().stop()).toBe(false);
  });

  it('is no end where the engine may start the container again', async () => {
    stage.stub.add(SERVICE);
    stage.when('update', { exit: 1 });
    expect(await stage.driver().stop()).toBe(false);
    expect(stage.of()[0]?.status).toBe('exited');
  });

  it('comes through Compose where that lists no containers', async () => {
    stage.stub.add(SERVICE);
    stage.when('ps', { exit: 1 });
    expect(await stage.driver().stop()).toBe(false);
    expect(stage.of()[0]?.status).toBe('exited');
  });

  it('reaches known containers without a compose file', async () => {
    stage.stub.add(SERVICE);
    const service = stage.driver();
    await service.containers();
    rmSync(stage.file);
    expect(await service.stop()).toBe(true);
    expect(stage.of()[0]).toMatchObject({ status: 'exited', policy: 'no' });
  });

  it('is given up where docker does not answer', async () => {
    for (const verb of ['ps', 'kill', 'compose-kill']) stage.when(verb, { hang: true });
    stage.stub.add(SERVICE);
    expect(await stage.driver({ timeoutMs: 1500 }).stop()).toBe(false);
  });

  it('of a service that never had a container is certain where Compose lists none', async () => {
    expect(await stage.driver().stop()).toBe(true);
    stage.when('up', { exit: 1 });
    const service = stage.driver();
    await failureOf(service.restart('recreate'));
    expect(await service.stop()).toBe(true);
    stage.when('ps', { exit: 1 });
    expect(await service.stop()).toBe(false);
  });

  it.each(['exit', 'hang'] as const)('reaches what Compose lists where an inspect is to %s', async (how) => {
    stage.stub.add(SERVICE);
    stage.when('inspect', how === 'exit' ? { exit: 1, stderr: 'Error: it is odd' } : { hang: true });
    expect(await stage.driver({ timeoutMs: 8000 }).stop()).toBe(false);
    expect(stage.of()[0]?.status).toBe('exited');
    const verbs = stage.verbs;
    expect(verbs.indexOf('kill')).toBeGreaterThan(0);
    expect(verbs.indexOf('kill')).toBeLessThan(verbs.indexOf('inspect'));
  });

  it('is tried again where one question failed', async () => {
    stage.stub.add(SERVICE);
    stage.when('inspect', { exit: 1, once: true });
    expect(await stage.driver().stop()).toBe(true);
    expect(stage.of()[0]).toMatchObject({ status: 'exited', policy: 'no' });
  });

  it('asks no engine why something failed', async () => {
    stage.stub.add(SERVICE);
    for (const verb of ['ps', 'inspect']) stage.when(verb, { exit: 1 });
    expect(await stage.driver().stop()).toBe(false);
    expect(stage.verbs).not.toContain('version');
  });

  it.each(['plugin', 'v1'] as const)('leaves what `run` has started beside it (%s)', async (compose) => {
    stage.stub.change((state) => Object.assign(state, { compose }));
    stage.stub.add(SERVICE);
    const beside = stage.stub.add(SERVICE, { oneOff: true });
    expect(await stage.driver().stop()).toBe(true);
    expect(stage.of().map((one) => [one.id === beside, one.status])).toEqual([
      [false, 'exited'],
      [true, 'running'],
    ]);
  });

  it('reaches a known container that Compose no longer lists', async () => {
    stage.stub.add(SERVICE);
    const service = stage.driver();
    await service.containers();
    stage.when('ps', { idle: true });
    expect(await service.stop()).toBe(true);
    expect(stage.of()[0]?.status).toBe('exited');
    stage.when('kill', { idle: true });
    stage.stub.change((state) => Object.assign(state.containers[0] ?? {}, { status: 'running' }));
    expect(await service.stop()).toBe(false);
  });

  it('of known containers that were removed meanwhile is certain; that docker does not find them must be said', async () => {
    stage.stub.add(SERVICE);
    const service = stage.driver();
    await service.containers();
    stage.stub.change((state) => {
      state.containers = [];
    });
    expect(await service.stop()).toBe(true);
    stage.when('inspect', { exit: 1, stdout: '[]' });
    expect(await service.stop()).toBe(false);
  });

  it('is not certain where a restart was begun and Compose lists nothing since', async () => {
    stage.stub.add(SERVICE);
    stage.when('up', { exit: 1 });
    const service = stage.driver();
    await failureOf(service.restart('recreate'));
    stage.when('ps', { exit: 1 });
    expect(await service.stop()).toBe(false);
    expect(stage.of()[0]?.status).toBe('exited');
  });
});

it('every program runs beside the compose file, without the credential and what the .env says', async () => {
  stage.stub.add(SERVICE);
  const given = {
    PATH: stage.stub.path,
    HOME: stage.root,
    DOCKER_HOST: 'unix:///nowhere',
    HF_TOKEN: 'the shell would beat the file',
    TAG: 'of the shell',
    OTHER: 'stays',
    COMFYUI_PASSWORD: password,
    COMFYUI_API_TOKEN: bearer,
    COMFYUI_BEARER_TOKEN_FILE: '/somewhere',
    SECRET_KEY: password,
    'INPUT_BEARER-TOKEN': bearer,
  };
  const envKeys = ['HF_TOKEN', 'TAG', 'PATH', 'HOME', 'DOCKER_HOST'];
  const service = stage.driver({ env: given, envKeys });
  await service.restart('recreate');
  await service.restart('restart');
  await service.stop();
  expect(stage.stub.calls().length).toBeGreaterThan(8);
  for (const { env, args, cwd, verb } of stage.stub.calls()) {
    expect(env).toEqual({
      PATH: stage.stub.path,
      HOME: stage.root,
      DOCKER_HOST: 'unix:///nowhere',
      OTHER: 'stays',
    });
    expectSilent(args.join(' '), [password, bearer]);
    if (['ps', 'up', 'restart'].includes(verb)) expect(cwd).toBe(stage.root);
  }
});
