import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Failure } from '../../src/model/failure.ts';
import { Secret } from '../../src/model/secret.ts';
import { nodeProcess } from '../../src/platform/process.ts';
import { Redactor } from '../../src/platform/redact.ts';
import { driverFor, type ServiceDeps } from '../../src/service/index.ts';
import { cheapHash, freshSecret } from './deployment.ts';
import { expectSilent } from './silence.ts';
import { StubDocker } from './stub-docker.ts';

const SERVICE = 'comfyui-qwen';
const MONITOR = 'comfyui-qwen-idle-monitor';

let stub: StubDocker;
let root: string;
beforeEach(() => {
  stub = new StubDocker();
  stub.change((state) => {
    state.services[SERVICE] = {};
    state.services[MONITOR] = {};
  });
  root = mkdtempSync(join(tmpdir(), 'comfyui-auth-service-'));
  writeFileSync(join(root, 'docker-compose.yml'), 'services: {}\n');
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
    { driver: 'compose', file: join(root, 'docker-compose.yml'), service: SERVICE },
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
});

describe.each(['plugin', 'v1', 'standalone'] as const)('with Compose as %s', (compose) => {
  beforeEach(() => stub.change((state) => Object.assign(state, { compose })));

  it('recreates the service, and nothing else', async () => {
    const old = stub.add(SERVICE);
    const monitor = stub.add(MONITOR);
    stub.add(SERVICE, { oneOff: true });
    const service = driver();
    expect((await service.containers()).map((one) => one.id)).toEqual([old]);
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

it('says that no Compose is there', async () => {
  stub.change((state) => Object.assign(state, { compose: 'none' }));
  expect(await failureOf(driver().containers())).toMatchObject({ code: 'compose-missing', exit: 3 });
});

it.each([1, 125])('a restart that ends with %i fails, without a secret in its words', async (exit) => {
  stub.add(SERVICE);
  const noise = `it says ${bearer} and ${password}\n`;
  stub.change((state) => {
    state.on.up = { exit, stdout: noise, stderr: `${noise}Error: no \x1b[31m${password}\x1b[0m here\n` };
  });
  const failure = await failureOf(driver().restart('recreate'));
  expect(failure).toMatchObject({ code: 'restart-failed', exit: 5 });
  expect(failure.message).toContain(`exit code ${exit}: Error: no [secret] here`);
  expectSilent(`${failure.message} ${failure.remedy}`, [bearer, password]);
});
