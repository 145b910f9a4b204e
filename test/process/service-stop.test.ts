import { rmSync } from 'node:fs';
import { beforeEach, describe, expect, it } from 'vitest';
import { ComposeStage, failureOf, SERVICE } from './compose-stage.ts';

let stage: ComposeStage;
beforeEach(() => {
  stage = new ComposeStage();
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
