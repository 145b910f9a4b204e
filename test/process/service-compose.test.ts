import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Failure } from '../../src/model/failure.ts';
import { Secret } from '../../src/model/secret.ts';
import { nodeProcess } from '../../src/platform/process.ts';
import { Redactor } from '../../src/platform/redact.ts';
import { engineState } from '../../src/service/engine.ts';
import { driverFor, type ServiceDeps } from '../../src/service/index.ts';
import { cheapHash, freshSecret } from './deployment.ts';
import { expectSilent } from './silence.ts';
import { type StubBehaviour, StubDocker } from './stub-docker.ts';

const SERVICE = 'comfyui-qwen';
const MONITOR = 'comfyui-qwen-idle-monitor';
const INEFFECTIVE = { code: 'restart-ineffective', exit: 5 };

let stub: StubDocker;
let root: string;
let file: string;
beforeEach(() => {
  stub = new StubDocker();
  stub.change((state) => {
    state.services[SERVICE] = {};
    state.services[MONITOR] = {};
  });
  root = realpathSync(mkdtempSync(join(tmpdir(), 'comfyui-auth-service-')));
  file = join(root, 'docker-compose.yml');
  writeFileSync(file, 'services: {}\n');
});
afterEach(async () => {
  rmSync(root, { recursive: true, force: true });
  await stub.remove();
});

const password = freshSecret();
const bearer = cheapHash(password);
const secrets = new Redactor();
secrets.add(new Secret(password), new Secret(bearer));

const driver = (more: Partial<ServiceDeps> = {}) =>
  driverFor(
    { driver: 'compose', file, service: SERVICE },
    {
      process: nodeProcess,
      env: { PATH: stub.path, HOME: root },
      root,
      envKeys: [],
      hide: (text) => secrets.redact(text),
      timeoutMs: 20_000,
      ...more,
    },
  );

/** The Failure that a promise ends in. */
async function failureOf(promise: Promise<unknown>): Promise<Failure> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(Failure);
  return error as Failure;
}

const ofService = (service = SERVICE) => stub.state().containers.filter((one) => one.service === service);

/** What the stub does in the place of a verb. */
const when = (verb: string, behaviour: StubBehaviour) =>
  stub.change((state) => {
    state.on[verb] = behaviour;
  });

const verbs = () => stub.calls().map((call) => call.verb);

describe('containers', () => {
  it('are those of the service exactly: no other with its name in it, none of a run', async () => {
    const ids = [stub.add(SERVICE), stub.add(SERVICE, { status: 'exited', exitCode: 3 })];
    stub.add(MONITOR);
    stub.add(SERVICE, { oneOff: true, name: 'project-run' });
    const found = await driver().containers();
    expect(found.map((one) => [one.id, one.status, one.exitCode])).toEqual([
      [ids[0], 'running', 0],
      [ids[1], 'exited', 3],
    ]);
  });

  it('one that goes away while it is looked at is no error', async () => {
    stub.add(SERVICE);
    when('ps', { vanish: true });
    expect(await driver().containers()).toEqual([]);
  });

  it('cost one program while all that are known are there, and are listed anew where they are not', async () => {
    const old = stub.add(SERVICE);
    const service = driver();
    await service.containers();
    const before = stub.calls().length;
    expect((await service.containers()).map((one) => one.id)).toEqual([old]);
    expect(verbs().slice(before)).toEqual(['inspect']);
    stub.change((state) => {
      state.containers = [];
    });
    const fresh = stub.add(SERVICE);
    expect((await service.containers()).map((one) => one.id)).toEqual([fresh]);
  });

  it('are listed anew where one of those known has gone, or none of them runs', async () => {
    const [first, second] = [stub.add(SERVICE), stub.add(SERVICE)];
    const service = driver();
    const ids = async () => (await service.containers()).map((one) => one.id);
    expect(await ids()).toEqual([first, second]);
    stub.change((state) => state.containers.shift());
    const third = stub.add(SERVICE);
    expect(await ids()).toEqual([second, third]);
    stub.change((state) => {
      for (const one of state.containers) one.status = 'exited';
    });
    const fourth = stub.add(SERVICE);
    expect(await ids()).toEqual([second, third, fourth]);
  });

  it('a service that the compose file does not have is no service without containers', async () => {
    stub.change((state) => {
      delete state.services[SERVICE];
    });
    const failure = await failureOf(driver().containers());
    expect(failure).toMatchObject({ code: 'compose-failed', exit: 3 });
    expect(failure.message).toContain(`no such service: ${SERVICE}`);
  });

  it('a compose file that is not there is named', async () => {
    rmSync(file);
    const failure = await failureOf(driver().containers());
    expect(failure).toMatchObject({ code: 'compose-file-missing', exit: 2, location: { path: file } });
    expect(failure.message).toContain('"restart"');
  });
});

describe.each(['plugin', 'v1', 'standalone'] as const)('with Compose as %s', (compose) => {
  beforeEach(() => stub.change((state) => Object.assign(state, { compose })));

  it('recreates the service, and nothing else', async () => {
    const old = stub.add(SERVICE);
    const monitor = stub.add(MONITOR);
    stub.add(SERVICE, { oneOff: true });
    const service = driver();
    expect((await service.containers()).map((one) => one.id)).toEqual([old]);
    // With `-a` the first Compose lists what `run` left, too.
    const list = compose === 'v1' ? ['ps', '-q', SERVICE] : ['ps', '-a', '-q', SERVICE];
    expect(stub.calls('ps')[0]?.args.slice(-list.length)).toEqual(list);
    expect(stub.calls('ps')[0]?.args.includes('-a')).toBe(compose !== 'v1');
    await service.restart('recreate');
    const [now] = await service.containers();
    expect(now).toMatchObject({ status: 'running' });
    expect(now?.id).not.toBe(old);
    expect(ofService(MONITOR).map((one) => one.id)).toEqual([monitor]);
  });

  it('ends all containers of the service for good', async () => {
    stub.add(SERVICE);
    stub.add(SERVICE, { status: 'restarting', policy: 'always' });
    stub.add(MONITOR);
    expect(await driver().stop()).toBe(true);
    expect(ofService().map((one) => [one.status, one.policy])).toEqual([
      ['exited', 'no'],
      ['exited', 'no'],
    ]);
    expect(ofService(MONITOR)[0]?.status).toBe('running');
  });
});

describe('no engine, no Compose', () => {
  const UNREACHABLE = { code: 'engine-unreachable', exit: 3 };

  it('neither Compose can be run', async () => {
    stub.change((state) => Object.assign(state, { compose: 'none' }));
    expect(await failureOf(driver().containers())).toMatchObject({ code: 'compose-missing', exit: 3 });
  });

  it.each([
    ['down', 'no-answer', 'nothing answers'],
    ['forbidden', 'permission', 'may not speak'],
  ] as const)('the engine is %s: %s', async (engine, reason, words) => {
    stub.change((state) => Object.assign(state, { engine }));
    const failure = await failureOf(driver().containers());
    expect(failure).toMatchObject({ ...UNREACHABLE, message: expect.stringContaining(words) });
    expect(await engineState(nodeProcess, { PATH: stub.path })).toEqual({ ok: false, reason });
    expect(await failureOf(driver().restart('recreate'))).toMatchObject({ code: 'restart-failed', exit: 5 });
    expect(await driver().stop()).toBe(false);
  });

  it('docker is not there', async () => {
    stub.uninstall('docker');
    const reason = 'docker-missing';
    expect(await failureOf(driver().containers())).toMatchObject({
      ...UNREACHABLE,
      message: expect.stringContaining('not on PATH'),
    });
    expect(await engineState(nodeProcess, { PATH: stub.path })).toEqual({ ok: false, reason });
  });

  it('docker is not there, and an old docker-compose is', async () => {
    stub.change((state) => Object.assign(state, { compose: 'v1' }));
    stub.add(SERVICE);
    stub.uninstall('docker');
    expect(await failureOf(driver().containers())).toMatchObject(UNREACHABLE);
  });

  it('docker does not answer in time', async () => {
    for (const verb of ['version', 'ps']) when(verb, { hang: true });
    const failure = await failureOf(driver({ timeoutMs: 1500 }).containers());
    expect(failure).toMatchObject({ ...UNREACHABLE, message: expect.stringContaining('in time') });
  });

  it('an engine that answers has a version', async () => {
    expect(await engineState(nodeProcess, { PATH: stub.path })).toEqual({ ok: true, version: '26.1.5' });
  });
});

describe('a restart', () => {
  it('starts another process in the same container', async () => {
    const id = stub.add(SERVICE);
    const [before] = ofService();
    await driver().restart('restart');
    expect(ofService()).toMatchObject([{ id, status: 'running' }]);
    expect(ofService()[0]?.startedAt).not.toBe(before?.startedAt);
    expect(verbs()).not.toContain('up');
  });

  it.each(['exited', 'created', undefined])('makes a container anew where it is %s', async (status) => {
    const old = status === undefined ? undefined : stub.add(SERVICE, { status });
    await driver().restart('restart');
    expect(ofService()).toMatchObject([{ status: 'running' }]);
    expect(ofService()[0]?.id).not.toBe(old);
  });

  it.each(['recreate', 'restart'] as const)(
    'to %s clears away what one that was cut off left',
    async (action) => {
      const never = { status: 'created', startedAt: '0001-01-01T00:00:00Z' };
      const [left, old] = [stub.add(SERVICE, never), stub.add(SERVICE)];
      await driver().restart(action);
      expect(stub.calls('rm').map((call) => call.args)).toEqual([['rm', left]]);
      expect(ofService()).toMatchObject([{ status: 'running' }]);
      expect(ofService()[0]?.id === old).toBe(action === 'restart');
    },
  );

  it('recreates each container of a scaled service', async () => {
    const old = [stub.add(SERVICE), stub.add(SERVICE)];
    await driver().restart('recreate');
    expect(ofService()).toHaveLength(2);
    expect(ofService().filter((one) => old.includes(one.id))).toEqual([]);
  });

  it('that leaves one of two containers as it was was none', async () => {
    stub.add(SERVICE);
    stub.add(SERVICE);
    when('restart', { first: true });
    expect(await failureOf(driver().restart('restart'))).toMatchObject(INEFFECTIVE);
  });

  it('counts where the new process ends at once: that is for others to judge', async () => {
    stub.add(SERVICE);
    when('up', { status: 'exited' });
    await driver().restart('recreate');
    expect((await driver().containers()).map((one) => one.status)).toEqual(['exited']);
  });

  it.each([
    ['recreate', 'up', { idle: true }],
    ['restart', 'restart', { idle: true }],
    ['recreate', 'up', { service: MONITOR }],
    ['restart', 'restart', { service: MONITOR }],
  ] as const)(
    'to %s that does not reach the service is no success (%s %o)',
    async (action, verb, instead) => {
      stub.add(SERVICE);
      stub.add(MONITOR);
      when(verb, instead);
      expect(await failureOf(driver().restart(action))).toMatchObject(INEFFECTIVE);
    },
  );

  it('that does not start a stopped service is no success', async () => {
    stub.add(SERVICE, { status: 'exited' });
    when('up', { idle: true });
    expect(await failureOf(driver().restart('recreate'))).toMatchObject(INEFFECTIVE);
  });

  it.each([1, 125])('that ends with %i fails, without a secret in its words', async (exit) => {
    stub.add(SERVICE);
    const noise = `it says ${bearer} and ${password}\n`;
    const stderr = `${noise}Error: no \x1b[31m${password.slice(0, 9)}\x1b[0m${password.slice(9)} here\n`;
    when('up', { exit, stdout: noise, stderr });
    const failure = await failureOf(driver().restart('recreate'));
    expect(failure).toMatchObject({ code: 'restart-failed', exit: 5 });
    expect(failure.message).toContain(`exit code ${exit}: Error: no [secret] here`);
    expectSilent(`${failure.message} ${failure.remedy}`, [bearer, password]);
  });

  it('that does not end is given up', async () => {
    stub.add(SERVICE);
    when('up', { hang: true });
    const failure = await failureOf(driver({ timeoutMs: 3000 }).restart('recreate'));
    expect(failure).toMatchObject({ code: 'restart-failed', exit: 5 });
    expect(failure.message).toContain('did not end within 3 s');
  });

  it('is given up at once where it is cancelled', async () => {
    stub.add(SERVICE);
    const cancel = new AbortController();
    const reason = new Error('cancelled');
    await stub.serve(() => {
      cancel.abort(reason);
      return new Promise(() => undefined);
    });
    await expect(driver().restart('recreate', cancel.signal)).rejects.toBe(reason);
    await expect(driver().restart('recreate', cancel.signal)).rejects.toBe(reason);
    expect(stub.calls('up')).toHaveLength(1);
  });
});

describe('an end', () => {
  it('comes before any question where the containers are known', async () => {
    stub.add(SERVICE);
    const service = driver();
    await service.containers();
    const before = stub.calls().length;
    expect(await service.stop()).toBe(true);
    expect(verbs()[before]).toBe('kill');
    expect(stub.calls('stop')).toEqual([]);
  });

  it('is no end where the container goes on', async () => {
    stub.add(SERVICE);
    when('kill', { idle: true });
    expect(await driver().stop()).toBe(false);
  });

  it('is no end where the engine may start the container again', async () => {
    stub.add(SERVICE);
    when('update', { exit: 1 });
    expect(await driver().stop()).toBe(false);
    expect(ofService()[0]?.status).toBe('exited');
  });

  it('comes through Compose where that lists no containers', async () => {
    stub.add(SERVICE);
    when('ps', { exit: 1 });
    expect(await driver().stop()).toBe(false);
    expect(ofService()[0]?.status).toBe('exited');
  });

  it('reaches known containers without a compose file', async () => {
    stub.add(SERVICE);
    const service = driver();
    await service.containers();
    rmSync(file);
    expect(await service.stop()).toBe(true);
    expect(ofService()[0]).toMatchObject({ status: 'exited', policy: 'no' });
  });

  it('is given up where docker does not answer', async () => {
    for (const verb of ['ps', 'kill', 'compose-kill']) when(verb, { hang: true });
    stub.add(SERVICE);
    expect(await driver({ timeoutMs: 1500 }).stop()).toBe(false);
  });

  it('of a service without a container is certain', async () => {
    expect(await driver().stop()).toBe(true);
  });
});

it('every program runs beside the compose file, without the credential and what the .env says', async () => {
  stub.add(SERVICE);
  const given = {
    PATH: stub.path,
    HOME: root,
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
  const service = driver({ env: given, envKeys });
  await service.restart('recreate');
  await service.restart('restart');
  await service.stop();
  expect(stub.calls().length).toBeGreaterThan(8);
  for (const { env, args, cwd, verb } of stub.calls()) {
    expect(env).toEqual({ PATH: stub.path, HOME: root, DOCKER_HOST: 'unix:///nowhere', OTHER: 'stays' });
    expectSilent(args.join(' '), [password, bearer]);
    if (['ps', 'up', 'restart'].includes(verb)) expect(cwd).toBe(root);
  }
});
