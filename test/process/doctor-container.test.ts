import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { found, PATHS } from './deployment.ts';
import { CONTAINER, LiveStage, SERVICE } from './live-stage.ts';

let stage: LiveStage;
beforeEach(() => {
  stage = new LiveStage();
});
afterEach(() => stage.remove());

const DOCKER_STEPS = ['container', 'mounts', 'port', 'environment', 'process'];

describe('doctor, where no engine can be asked', () => {
  it.each([
    ['down', 'no-answer', 'no Docker Engine answers'],
    ['forbidden', 'permission', 'this user may not speak to the Docker Engine'],
  ] as const)(
    'names an engine that is %s, and looks at the server all the same',
    async (engine, why, says) => {
      await stage.serve();
      stage.stub.change((state) => {
        state.engine = engine;
      });
      const ran = await stage.doctor();
      expect([ran.cause, ran.code, ran.json.status]).toEqual(['engine-unreachable', 3, 'cause-found']);
      expect(found(ran, 'engine-unreachable')[0]?.args).toEqual({ reason: why });
      expect([ran.verdict('engine'), ran.evidence('engine')]).toEqual(['fail', says]);
      expect(DOCKER_STEPS.map(ran.verdict)).toEqual(DOCKER_STEPS.map(() => 'unknown'));
      expect([ran.verdict('bearer'), ran.verdict('form')]).toEqual(['pass', 'pass']);
    },
  );

  it('names the engine where no server is there either', async () => {
    await stage.useNothing();
    stage.stub.uninstall('docker');
    stage.stub.uninstall('docker-compose');
    const ran = await stage.doctor();
    expect([ran.cause, ran.code]).toEqual(['engine-unreachable', 3]);
    expect([ran.evidence('engine'), ran.verdict('http')]).toEqual(['docker is not on PATH', 'fail']);
  });

  it('does not wait for an engine that hangs', async () => {
    await stage.serve();
    stage.stub.change((state) => {
      state.on.version = { hang: true };
    });
    const ran = await stage.doctor('--timeout', '2s');
    expect(found(ran, 'engine-unreachable')[0]?.args).toEqual({ reason: 'timeout' });
    expect(ran.verdict('bearer')).toBe('pass');
  });

  it('does not blame the engine for what a server answers', async () => {
    stage.withoutNode();
    await stage.serve();
    stage.stub.change((state) => {
      state.engine = 'down';
    });
    const ran = await stage.doctor();
    expect([ran.cause, ran.code]).toEqual(['login-node-missing', 4]);
  });

  it('names a Compose that is missing', async () => {
    await stage.serve();
    stage.stub.change((state) => {
      state.compose = 'none';
    });
    const ran = await stage.doctor();
    expect([ran.cause, ran.code, ran.verdict('container')]).toEqual(['compose-missing', 3, 'unknown']);
  });

  it('does not know what Compose does not say', async () => {
    await stage.serve();
    stage.stub.change((state) => {
      state.services = {};
    });
    const ran = await stage.doctor();
    expect([ran.cause, ran.code, ran.json.status]).toEqual([null, 3, 'unknown']);
    expect([ran.verdict('engine'), ran.verdict('container'), ran.verdict('bearer')]).toEqual([
      'pass',
      'unknown',
      'pass',
    ]);
    expect((await stage.run('doctor')).stdout).toContain('unknown: could not look at container, checkout,');
  });

  it('leaves docker alone where the layout names no container', async () => {
    await stage.serve();
    stage.layout('', '{ driver: none }');
    const ran = await stage.doctor();
    expect([ran.cause, ran.code, ran.json.status]).toEqual([null, 0, 'healthy']);
    expect(['engine', ...DOCKER_STEPS].map(ran.verdict)).toEqual(
      ['engine', ...DOCKER_STEPS].map(() => 'skip'),
    );
    expect(ran.evidence('engine')).toBe('the layout names no container (restart: none)');
    expect(stage.stub.calls()).toEqual([]);
  });
});

describe('doctor, of the container itself', () => {
  it('finds none where only the idle monitor runs', async () => {
    await stage.useNothing();
    stage.says('container', `${SERVICE}-idle-monitor\nunrelated\n`);
    stage.stub.add(`${SERVICE}-idle-monitor`, { name: `${SERVICE}-idle-monitor` });
    const ran = await stage.doctor();
    expect([ran.cause, ran.code]).toEqual(['container-missing', 1]);
    expect(ran.evidence('container')).toBe(
      `no container belongs to the service ${SERVICE}; ${SERVICE}-idle-monitor: of another service`,
    );
    expect([ran.verdict('http'), ran.verdict('mounts')]).toEqual(['fail', 'skip']);
    expect(found(ran, 'container-missing')[0]?.remedy).toMatch(/^comfyui-auth deploy /);
  });

  it.each([
    ['exited', { exitCode: 1 }, 'exit code 1', { exitCode: 1 }],
    ['exited', { exitCode: 137, outOfMemory: true }, 'it ran out of memory', { exitCode: 137, oom: true }],
    ['created', {}, 'is created', { status: 'created' }],
  ])('tells why one is %s %j', async (status, more, says, args) => {
    await stage.useNothing();
    stage.contain({ status, ...more });
    const ran = await stage.doctor();
    expect([ran.cause, ran.code]).toEqual(['container-exited', 1]);
    expect(ran.evidence('container')).toContain(says);
    expect(found(ran, 'container-exited')[0]?.args).toMatchObject(args);
    expect([ran.verdict('port'), ran.verdict('process')]).toEqual(['skip', 'skip']);
  });

  it.each([
    ['that is between two starts', { status: 'restarting', restarts: 2 }],
    ['that has just been started for the fourth time', { restarts: 4, startedAt: new Date().toISOString() }],
  ])('tells one %s from one that runs', async (_, more) => {
    await stage.useNothing();
    stage.contain({ ...more, exitCode: 1 });
    const ran = await stage.doctor();
    expect([ran.cause, ran.code]).toEqual(['container-restarting', 1]);
    expect(ran.evidence('container')).toMatch(/restarted \d times by the engine/);
  });

  it('takes one that was restarted often, and answers, for well', async () => {
    await stage.serve();
    stage.contain({ restarts: 7, startedAt: new Date().toISOString(), health: 'unhealthy' });
    const ran = await stage.doctor();
    expect([ran.cause, ran.code, ran.verdict('container')]).toEqual([null, 0, 'pass']);
    expect(ran.evidence('container')).toContain('restarted 7 times by the engine; its health check says');
  });
});

describe('doctor, of the checkout that a container belongs to', () => {
  it.each([
    ['as the folder of ComfyUI', 'workspace', '/workspace/ComfyUI'],
    ['as its login folder', 'workspace/login', '/workspace/ComfyUI/login'],
  ])('finds PASSWORD of another one mounted %s', async (_, way, Destination) => {
    await stage.serve();
    const Source = join(stage.folder('other'), way);
    stage.contain({ mounts: [{ Type: 'bind', Source, Destination }] });
    const ran = await stage.doctor();
    expect([ran.cause, ran.code]).toEqual(['mount-elsewhere', 1]);
    const [finding] = found(ran, 'mount-elsewhere');
    expect(finding?.args.expected).toBe(stage.tree.path(PATHS.password));
    expect(String(finding?.args.source).startsWith(Source)).toBe(true);
  });

  it('finds a token file that is mounted from the same way below another root', async () => {
    await stage.serve();
    const Source = join(stage.folder('other'), PATHS.token);
    const own = { Type: 'bind', Source: stage.comfyui, Destination: '/workspace/ComfyUI' };
    stage.contain({ mounts: [own, { Type: 'bind', Source, Destination: '/run/qwen-api-user.token' }] });
    const ran = await stage.doctor();
    expect(ran.cause).toBe('mount-elsewhere');
    expect(ran.evidence('mounts')).toBe(
      `${Source} is mounted where ${stage.tree.path(PATHS.token)} should be`,
    );
  });

  it('finds one that was made in another folder', async () => {
    await stage.serve();
    stage.contain({ workingDir: stage.folder('other') });
    const ran = await stage.doctor();
    expect(ran.cause).toBe('mount-elsewhere');
    expect(found(ran, 'mount-elsewhere')[0]?.message).toMatch(/^the container \S+ was made from /);
  });

  it('lets a project begin further up in the same checkout', async () => {
    await stage.serve();
    stage.contain({ workingDir: stage.tree.root });
    expect((await stage.doctor()).cause).toBe(null);
  });
});

describe('doctor, of the port', () => {
  it.each(['0.0.0.0', '::'])('warns of one that is published on %s, and is no cause', async (hostIp) => {
    await stage.serve();
    stage.contain({ ports: stage.ports(hostIp) });
    const ran = await stage.doctor();
    expect([ran.cause, ran.code, ran.verdict('port')]).toEqual([null, 0, 'fail']);
    expect(found(ran, 'port-exposed')[0]).toMatchObject({
      severity: 'warning',
      args: { hostIp, port: stage.port },
    });
  });

  it('finds an address that the container does not publish', async () => {
    await stage.useNothing();
    stage.contain({ ports: stage.ports('127.0.0.1', 8189) });
    const ran = await stage.doctor();
    expect([ran.cause, ran.code, ran.verdict('port')]).toEqual(['down', 1, 'fail']);
    expect(ran.evidence('port')).toBe(`the container does not publish port ${stage.port}; it publishes 8189`);
  });

  it('lets something else stand in front where the server is proven', async () => {
    await stage.serve();
    stage.contain({ ports: {} });
    const ran = await stage.doctor();
    expect([ran.cause, ran.verdict('port')]).toEqual([null, 'pass']);
    expect(ran.evidence('container')).toContain(CONTAINER);
  });
});
