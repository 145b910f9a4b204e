import { rmSync } from 'node:fs';
import { beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/platform/clock.ts';
import { EngineMemory } from '../../src/service/engine.ts';
import { ComposeStage, failureOf, MONITOR, SERVICE } from './compose-stage.ts';

let stage: ComposeStage;
beforeEach(() => {
  stage = new ComposeStage();
});

describe('containers', () => {
  it('are those of the service exactly: no other with its name in it, none of a run', async () => {
    const ids = [stage.stub.add(SERVICE), stage.stub.add(SERVICE, { status: 'exited', exitCode: 3 })];
    stage.stub.add(MONITOR);
    stage.stub.add(SERVICE, { oneOff: true, name: 'project-run' });
    const found = await stage.driver().containers();
    expect(found.map((one) => [one.id, one.status, one.exitCode])).toEqual([
      [ids[0], 'running', 0],
      [ids[1], 'exited', 3],
    ]);
  });

  it('one that goes away while it is looked at is no error', async () => {
    stage.stub.add(SERVICE);
    stage.when('ps', { vanish: true });
    expect(await stage.driver().containers()).toEqual([]);
  });

  it('cost one program while all that are known are there, and are listed anew where they are not', async () => {
    const old = stage.stub.add(SERVICE);
    const service = stage.driver();
    await service.containers();
    const before = stage.stub.calls().length;
    expect((await service.containers()).map((one) => one.id)).toEqual([old]);
    expect(stage.verbs.slice(before)).toEqual(['inspect']);
    stage.stub.change((state) => {
      state.containers = [];
    });
    const fresh = stage.stub.add(SERVICE);
    expect((await service.containers()).map((one) => one.id)).toEqual([fresh]);
  });

  it('are listed anew where one of those known has gone, or none of them runs', async () => {
    const [first, second] = [stage.stub.add(SERVICE), stage.stub.add(SERVICE)];
    const service = stage.driver();
    const ids = async () => (await service.containers()).map((one) => one.id);
    expect(await ids()).toEqual([first, second]);
    stage.stub.change((state) => state.containers.shift());
    const third = stage.stub.add(SERVICE);
    expect(await ids()).toEqual([second, third]);
    stage.stub.change((state) => {
      for (const one of state.containers) one.status = 'exited';
    });
    const fourth = stage.stub.add(SERVICE);
    expect(await ids()).toEqual([second, third, fourth]);
  });

  it('a service that the compose file does not have is no service without containers', async () => {
    stage.stub.change((state) => {
      delete state.services[SERVICE];
    });
    const failure = await failureOf(stage.driver().containers());
    expect(failure).toMatchObject({ code: 'compose-failed', exit: 3 });
    expect(failure.message).toContain(`no such service: ${SERVICE}`);
  });

  it('a compose file that is not there is named', async () => {
    rmSync(stage.file);
    const failure = await failureOf(stage.driver().containers());
    expect(failure).toMatchObject({ code: 'compose-file-missing', exit: 2, location: { path: stage.file } });
    expect(failure.message).toContain('"restart"');
  });
});

describe.each(['plugin', 'v1', 'standalone'] as const)('with Compose as %s', (compose) => {
  const version = compose === 'v1' ? '25.0.5' : '26.1.5';
  beforeEach(() => stage.stub.change((state) => Object.assign(state, { compose, version })));

  it('recreates the service, and nothing else', async () => {
    const old = stage.stub.add(SERVICE);
    const monitor = stage.stub.add(MONITOR);
    stage.stub.add(SERVICE, { oneOff: true });
    const service = stage.driver();
    expect((await service.containers()).map((one) => one.id)).toEqual([old]);
    // With `-a` the first Compose lists what `run` left, too.
    const list = compose === 'v1' ? ['ps', '-q', SERVICE] : ['ps', '-a', '-q', SERVICE];
    expect(stage.stub.calls('ps')[0]?.args.slice(-list.length)).toEqual(list);
    expect(stage.stub.calls('ps')[0]?.args.includes('-a')).toBe(compose !== 'v1');
    await service.restart('recreate');
    const [now] = await service.containers();
    expect(now).toMatchObject({ status: 'running' });
    expect(now?.id).not.toBe(old);
    expect(stage.of(MONITOR).map((one) => one.id)).toEqual([monitor]);
  });

  it('ends all containers of the service for good', async () => {
    stage.stub.add(SERVICE);
    stage.stub.add(SERVICE, { status: 'restarting', policy: 'always' });
    stage.stub.add(MONITOR);
    expect(await stage.driver().stop()).toBe(true);
    expect(stage.of().map((one) => [one.status, one.policy])).toEqual([
      ['exited', 'no'],
      ['exited', 'no'],
    ]);
    expect(stage.of(MONITOR)[0]?.status).toBe('running');
  });
});

describe('no engine, no Compose', () => {
  const UNREACHABLE = { code: 'engine-unreachable', exit: 3 };

  it('neither Compose can be run', async () => {
    stage.stub.change((state) => Object.assign(state, { compose: 'none' }));
    expect(await failureOf(stage.driver().containers())).toMatchObject({ code: 'compose-missing', exit: 3 });
  });

  it.each([
    ['down', 'no-answer', 'nothing answers'],
    ['forbidden', 'permission', 'may not speak'],
  ] as const)('the engine is %s: %s', async (engine, reason, words) => {
    stage.stub.change((state) => Object.assign(state, { engine }));
    const failure = await failureOf(stage.driver().containers());
    expect(failure).toMatchObject({ ...UNREACHABLE, message: expect.stringContaining(words) });
    expect(await stage.engine().state()).toEqual({ ok: false, reason });
    expect(await failureOf(stage.driver().restart('recreate'))).toMatchObject({
      code: 'restart-failed',
      exit: 5,
    });
    expect(await stage.driver().stop()).toBe(false);
  });

  it('docker is not there', async () => {
    stage.stub.uninstall('docker');
    const reason = 'docker-missing';
    expect(await failureOf(stage.driver().containers())).toMatchObject({
      ...UNREACHABLE,
      message: expect.stringContaining('not on PATH'),
    });
    expect(await stage.engine().state()).toEqual({ ok: false, reason });
  });

  it.each(['EMFILE', 'ENOMEM', 'EACCES'])('docker is there, and cannot be run: %s', async (failure) => {
    const process = { run: async () => ({ code: null, stdout: '', stderr: '', failure }) };
    expect(await failureOf(stage.driver({ process }).containers())).toMatchObject({
      ...UNREACHABLE,
      message: expect.stringContaining('the docker command cannot be run'),
    });
  });

  it.each([
    { exit: 1, stderr: 'it is odd' },
    { idle: true, stdout: 'no list' },
  ])('an engine that answers, and not well, is not one that does not: %o', async (behaviour) => {
    stage.stub.add(SERVICE);
    stage.when('inspect', behaviour);
    const failure = await failureOf(stage.driver().containers());
    expect(failure).toMatchObject({ code: 'compose-failed', exit: 3 });
    expect(failure.message).toContain('the Docker Engine answers');
  });

  it('docker is not there, and an old docker-compose is', async () => {
    stage.stub.change((state) => Object.assign(state, { compose: 'v1' }));
    stage.stub.add(SERVICE);
    stage.stub.uninstall('docker');
    expect(await failureOf(stage.driver().containers())).toMatchObject(UNREACHABLE);
  });

  it('docker does not answer in time', async () => {
    for (const verb of ['version', 'ps']) stage.when(verb, { hang: true });
    const failure = await failureOf(stage.driver({ timeoutMs: 1500 }).containers());
    expect(failure).toMatchObject({ ...UNREACHABLE, message: expect.stringContaining('in time') });
  });

  it('a docker that hangs is waited for once, by all services, for as long as a question may take', async () => {
    for (const verb of ['version', 'compose-version', 'ps']) stage.when(verb, { hang: true });
    const memory = new EngineMemory(systemClock);
    const first = failureOf(stage.driver({ memory, questionMs: 500 }).containers());
    expect(await first).toMatchObject({ ...UNREACHABLE, message: expect.stringContaining('in time') });
    const next = failureOf(stage.driver({ memory }).containers());
    expect(await next).toMatchObject(UNREACHABLE);
    expect(stage.verbs).toEqual(['version']);
    // A way back is worth another wait.
    stage.stub.change((state) => {
      state.on = {};
    });
    await stage.driver({ memory }).restart('recreate');
    expect(stage.of()).toMatchObject([{ status: 'running' }]);
  });

  it('an engine that answers is asked whether it does only once', async () => {
    stage.stub.add(SERVICE, { status: 'exited' });
    const service = stage.driver();
    await service.containers();
    await service.containers();
    expect(stage.stub.calls('version')).toHaveLength(1);
  });

  it('an engine that answers has a version', async () => {
    expect(await stage.engine().state()).toEqual({
      ok: true,
      version: '26.1.5',
    });
  });
});
