import fc from 'fast-check';
import { expect, it } from 'vitest';
import { identityOf } from '../../../src/service/container.ts';
import { containersIn } from '../../../src/service/inspect.ts';

const ID = 'c0ffee00'.repeat(8);

/** As docker 26 prints a running container, without what nobody reads. */
const described = () => ({
  Id: ID,
  Created: '2026-03-01T12:00:00.123456789Z',
  Name: '/qwen-comfyui-qwen-1',
  RestartCount: 2,
  State: {
    Status: 'running',
    Running: true,
    OOMKilled: true,
    ExitCode: 137,
    StartedAt: '2026-03-01T12:00:01.5Z',
    FinishedAt: '0001-01-01T00:00:00Z',
    Health: { Status: 'healthy', FailingStreak: 0, Log: [] },
  },
  Mounts: [
    { Type: 'bind', Source: '/srv/ws', Destination: '/workspace', Mode: 'rw', RW: true },
    { Type: 'tmpfs', Source: '', Destination: '/run' },
  ],
  Config: {
    Env: ['A=b=c', 'EMPTY=', 'BARE', 'LINES=1\n2'],
    Labels: {
      'com.docker.compose.service': 'comfyui-qwen',
      'com.docker.compose.oneoff': 'False',
      'com.docker.compose.project.working_dir': '/srv/qwen',
    },
  },
  NetworkSettings: {
    Ports: {
      '8188/tcp': [
        { HostIp: '0.0.0.0', HostPort: '8188' },
        { HostIp: '::', HostPort: '8189' },
      ],
      '9000/tcp': null,
    },
  },
});

const read = (...containers: unknown[]) => containersIn(JSON.stringify(containers), 'comfyui-qwen');

it('reads all that docker says of a container', () => {
  const [one] = read(described()) ?? [];
  expect(one).toMatchObject({
    id: ID,
    name: 'qwen-comfyui-qwen-1',
    status: 'running',
    createdAt: new Date('2026-03-01T12:00:00.123Z'),
    startedAt: new Date('2026-03-01T12:00:01.500Z'),
    exitCode: 137,
    outOfMemory: true,
    restarts: 2,
    health: 'healthy',
    workingDir: '/srv/qwen',
    mounts: [
      { type: 'bind', source: '/srv/ws', destination: '/workspace' },
      { type: 'tmpfs', source: '', destination: '/run' },
    ],
    ports: [
      { hostIp: '0.0.0.0', hostPort: 8188, containerPort: 8188 },
      { hostIp: '::', hostPort: 8189, containerPort: 8188 },
    ],
  });
  const env = [...(one?.env ?? [])].map(([key, value]) => [key, value.reveal()]);
  expect(env).toEqual([
    ['A', 'b=c'],
    ['EMPTY', ''],
    ['BARE', ''],
    ['LINES', '1\n2'],
  ]);
  expect(JSON.stringify([...(one?.env ?? [])])).not.toContain('b=c');
});

it('a container that was never started has no start, and one without a health check no health', () => {
  const one = described();
  const never = { ...one.State, Status: 'created', StartedAt: '0001-01-01T00:00:00Z', Health: undefined };
  const [container] = read({ ...one, State: never }) ?? [];
  expect(container).not.toHaveProperty('startedAt');
  expect(container).not.toHaveProperty('health');
  expect(identityOf([container].filter((each) => each !== undefined))).toBeUndefined();
});

it.each([
  ['of another service', { 'com.docker.compose.service': 'comfyui-qwen-idle-monitor' }],
  ['of a run beside the service', { 'com.docker.compose.oneoff': 'True' }],
  ['that compose did not make', undefined],
])('leaves out a container %s', (_, labels) => {
  const one = described();
  const Labels = labels === undefined ? null : { ...one.Config.Labels, ...labels };
  expect(read({ ...one, Config: { ...one.Config, Labels } })).toEqual([]);
});

it('a state that docker does not know goes by whether the container runs', () => {
  const one = described();
  const as = (State: unknown) => read({ ...one, State })?.[0]?.status;
  expect(as({ Status: 'stopped', Running: false })).toBe('exited');
  expect(as({ Status: 'up', Running: true })).toBe('running');
});

it('a text that is no list of containers gives none, whatever it is', () => {
  expect(['', 'null', '{}', '[', '"x"'].map((text) => containersIn(text, 'comfyui-qwen'))).toEqual(
    Array(5).fill(undefined),
  );
  expect(read(null, 1, 'x', [], {})).toEqual([]);
});

it('does not fail, whatever stands in the place of any field', () => {
  const paths = [
    ...Object.keys(described()),
    ...Object.keys(described().State).map((key) => `State.${key}`),
    'Config.Env',
    'NetworkSettings.Ports',
    'Mounts.0',
    'Mounts.0.Source',
    'NetworkSettings.Ports.8188/tcp',
  ];
  const odd = fc.oneof(
    fc.jsonValue({ maxDepth: 2 }),
    fc.constantFrom('not a date', '9999999-99', -1, 65_536, '65536'),
  );
  fc.assert(
    fc.property(fc.constantFrom(...paths), odd, (path, value) => {
      const one: Record<string, unknown> = described();
      const keys = path.split('.');
      const last = keys.pop() ?? '';
      let inner = one;
      for (const key of keys) inner = inner[key] as Record<string, unknown>;
      inner[last] = value;
      const found = read(one) ?? [];
      expect(found.length).toBeLessThanOrEqual(1);
      expect(() => identityOf(found)).not.toThrow();
      for (const { createdAt, ports } of found) {
        expect(createdAt.getTime()).not.toBeNaN();
        for (const port of ports) expect(port.hostPort).toBeGreaterThan(0);
      }
    }),
    { numRuns: 500 },
  );
});
