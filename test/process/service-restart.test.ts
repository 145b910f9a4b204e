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
