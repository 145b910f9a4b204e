import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { GUARD_NODE } from '../../src/stand-in/tree.ts';

const root = resolve(import.meta.dirname, '..', '..');
const read = (path: string) => readFileSync(join(root, path), 'utf8');

interface Service {
  environment: Record<string, string | null>;
  ports: string[];
  user?: string;
  healthcheck: { test: string[]; interval: string; timeout: string; retries: number; start_period: string };
  stop_grace_period: string;
  deploy: { resources: { reservations: { devices: { device_ids: string[] }[] } } };
  secrets?: string[];
}

/** The service of a compose file; `!reset` is `null` here, as it is in what Compose makes of it. */
function service(file: string): Service {
  const reset = { tag: '!reset', resolve: () => null };
  const { services } = parse(read(`image/${file}`), { customTags: [reset] }) as {
    services: { comfyui: Service };
  };
  return services.comfyui;
}

const compose = service('compose.yaml');
const dockerfile = read('image/Dockerfile');
const entrypoint = read('dist/entrypoint/index.cjs');

/** The instructions of the Dockerfile, each as one line. */
const instructions = dockerfile
  .replace(/\\\n\s*/g, '')
  .split('\n')
  .filter((line) => /^[A-Z]/.test(line));

/** The rows of the table of variables in docs/migrating.md. */
const rows = [...read('docs/migrating.md').matchAll(/^\| `([A-Z_]+)` \| (\S+) \| (.+) \|$/gm)].map(
  ([, name = '', where = '', what = '']) => ({ name, where, what }),
);

/** What operators of the older deployment could set. */
const OLD = [
  ...['CIVITAI_TOKEN', 'HF_TOKEN', 'QWEN_API_TOKEN', 'COMFYUI_BEARER_TOKEN', 'COMFYUI_LOGIN_ENABLED'],
  ...['COMFYUI_USERNAME', 'COMFYUI_PASSWORD', 'GPU_DEVICE_ID', 'CUDA_VISIBLE_DEVICES'],
  ...['NVIDIA_VISIBLE_DEVICES', 'COMFYUI_PORT', 'COMFYUI_WORKSPACE_PATH', 'COMFYUI_URL', 'TZ'],
  ...['GUEST_MODE_ENABLED', 'CORS_ENABLED', 'VERBOSE_LOGGING', 'API_TIMEOUT', 'MAX_LOGIN_ATTEMPTS'],
  ...['SESSION_EXPIRE_HOURS', 'SECRET_KEY'],
];

test('every variable of the older deployment has its row', () => {
  expect(rows.map(({ name }) => name).sort()).toEqual([...OLD].sort());
});

test.each(rows)('$name goes where its row says: $where', ({ name, where }) => {
  const handedOn = name in compose.environment;
  const interpolated = read('image/compose.yaml').includes(`\${${name}`);
  expect(handedOn).toBe(where === 'container');
  if (where === 'compose') expect(interpolated).toBe(true);
  if (where === 'host' || where === '–') expect(interpolated).toBe(false);
});

/** Read by ComfyUI, its nodes, CUDA or the C library. */
const OTHERS = ['HF_TOKEN', 'CIVITAI_TOKEN', 'QWEN_API_TOKEN', 'CUDA_VISIBLE_DEVICES', 'TZ'];

test.each(Object.keys(compose.environment).filter((name) => !OTHERS.includes(name)))(
  'the entrypoint knows %s',
  (name) => {
    expect(entrypoint).toMatch(new RegExp(`\\b${name}\\b`));
  },
);

test('what the guard reads is handed on, each with what it does', () => {
  const guards = section(read('docs/guard.md'), 'Settings');
  const names = [...guards.matchAll(/^\| `([A-Z_]+)`/gm)].map(([, name = '']) => name);
  expect(names.length).toBeGreaterThan(8);
  expect(names.filter((name) => !(name in compose.environment))).toEqual([]);
});

const section = (text: string, title: string) => text.split(`\n## ${title}\n`)[1]?.split('\n## ')[0] ?? '';

test('no default in a compose file is a secret', () => {
  for (const name of Object.keys(compose.environment)) {
    if (/PASSWORD|TOKEN|KEY/.test(name)) expect(compose.environment[name]).toBeNull();
  }
});

test('published on the loopback, unless somebody says otherwise', () => {
  expect(compose.ports).toEqual([expect.stringMatching(/^\$\{\w+:-127\.0\.0\.1\}:/)]);
});

test('Docker waits longer at a stop than the entrypoint does', () => {
  const seconds = (value: string | null = '') => Number(/:-(\d+)s\}$/.exec(value ?? '')?.[1]);
  expect(seconds(compose.stop_grace_period)).toBeGreaterThan(seconds(compose.environment.STOP_GRACE) + 5);
});

test('the compose file asks for health as the image does', () => {
  const [line = ''] = instructions.filter((one) => one.startsWith('HEALTHCHECK '));
  const option = (name: string) => new RegExp(`--${name}=(\\S+)`).exec(line)?.[1];
  const { healthcheck } = compose;
  expect(JSON.parse(/CMD (\[.*\])$/.exec(line)?.[1] ?? '')).toEqual(healthcheck.test.slice(1));
  expect(option('interval')).toBe(healthcheck.interval);
  expect(option('timeout')).toBe(healthcheck.timeout);
  expect(option('start-period')).toBe(healthcheck.start_period);
  expect(option('retries')).toBe(String(healthcheck.retries));
});

test('what starts is named by its path: no folder of ComfyUI’s user can put something in its place', () => {
  const [start = ''] = instructions.filter((one) => one.startsWith('ENTRYPOINT '));
  const [tini, , , node] = JSON.parse(start.slice('ENTRYPOINT '.length)) as string[];
  expect([tini, node, compose.healthcheck.test[1]]).toEqual([
    '/usr/bin/tini',
    '/usr/local/bin/node',
    '/usr/local/bin/node',
  ]);
  expect(/ PATH=(\S+)/.exec(instructions.find((one) => / PATH=/.test(one)) ?? '')?.[1]).toBe(
    '$PATH:/opt/venv/bin',
  );
});

test('nothing is built from source: pip takes wheels by their hashes', () => {
  const installs = instructions.join('\n').match(/pip install [^;]*/g) ?? [];
  expect(installs).toHaveLength(2);
  for (const one of installs) expect(one).toMatch(/--only-binary :all: --require-hashes/);
});

test('without a GPU: no reservation, and ComfyUI is told', () => {
  const { deploy, environment } = service('compose.cpu.yaml');
  expect(compose.deploy.resources.reservations.devices).toHaveLength(1);
  expect(deploy).toBeNull();
  expect(environment.COMFYUI_ARGS).toMatch(/^--cpu /);
  expect(environment.CUDA_VISIBLE_DEVICES).toBeNull();
});

test('secrets by files: none of them by a variable as well', () => {
  const { environment, secrets = [] } = service('compose.secrets.yaml');
  const files = Object.entries(environment).filter(([name]) => name.endsWith('_FILE'));
  expect(files.map(([, path]) => path)).toEqual(secrets.map((name) => `/run/secrets/${name}`));
  const plain = Object.keys(compose.environment).filter((name) =>
    /^COMFYUI.*(PASSWORD|TOKEN|KEY)$/.test(name),
  );
  for (const name of [...plain, 'SECRET_KEY', ...files.map(([file]) => file.replace(/_FILE$/, ''))]) {
    expect(environment[name], name).toBe('');
  }
});

test('the build’s context has what the Dockerfile copies, and nothing of a deployment', () => {
  const allowed = read('.dockerignore')
    .split('\n')
    .filter((line) => line.startsWith('!'))
    .map((line) => line.slice(1));
  const copied = instructions
    .filter((line) => /^COPY (?!--from)/.test(line))
    .flatMap((line) => line.split(' ').slice(1, -1))
    .map((path) => path.replace(/^\$\{(\w+)\}$/, (_, name) => argument(name)));
  expect(copied.length).toBeGreaterThan(5);
  for (const path of copied) {
    expect(existsSync(join(root, path)), path).toBe(true);
    expect(
      allowed.some((one) => one === path || one === path.replace(/\/[^/]+\.lock$/, '/*.lock')),
      path,
    ).toBe(true);
  }
  expect(read('.dockerignore')).toMatch(/^\*$/m);
});

test('the guard is in the image twice: where ComfyUI loads it, and as root’s copy to compare it with', () => {
  const [, copy = ''] = /^COPY image\/guard (\S+)$/m.exec(instructions.join('\n')) ?? [];
  expect(entrypoint).toContain(`"${copy}"`);
  const copied = instructions.findIndex((line) => line.startsWith(`RUN cp -R ${copy} `));
  const [, , , , to = ''] = instructions[copied]?.split(' ') ?? [];
  expect(to).toBe(`/build/ComfyUI/${GUARD_NODE}`);
  // What comes after makes the copy root's, for others to read alone.
  const owned = instructions.findIndex((line) => /chown -R 0:0 \/opt\/comfyui-auth;/.test(line));
  expect(copied).toBeLessThan(owned);
  expect(instructions[owned]).toMatch(/chmod -R u=rwX,go=rX \/opt\/comfyui-auth \/build\/ComfyUI;/);
  expect(read('.dockerignore')).toMatch(/^\*\*\/__pycache__\n\*\*\/\*\.pyc$/m);
});

/** The default of a build argument. */
const argument = (name: string) => new RegExp(`^ARG ${name}=(\\S+)$`, 'm').exec(dockerfile)?.[1] ?? '';

test('what is built is pinned, and says which it is', () => {
  for (const name of ['COMFYUI_COMMIT', 'LOGIN_COMMIT']) expect(argument(name)).toMatch(/^[0-9a-f]{40}$/);
  for (const name of ['BASE_IMAGE', 'NODE_IMAGE']) expect(argument(name)).toMatch(/:\d/);
  expect(argument('VERSION')).toBe(JSON.parse(read('package.json')).version);
});

/** Name, version and number of hashes of each package of a lock. */
function locked(file: string): { name: string; version: string; hashes: number }[] {
  const lines = read(file)
    .replace(/^#.*\n/gm, '')
    .replace(/\\\n\s*/g, '')
    .trim()
    .split('\n');
  return lines.map((line) => {
    const [, name = '', version = '', hashes = ''] =
      /^([a-z0-9-]+)==(\S+)((?: --hash=sha256:[0-9a-f]{64})+)$/.exec(line) ?? [];
    expect(name, line).not.toBe('');
    return { name, version, hashes: hashes.trim().split(' ').length };
  });
}

test('the locks pin every package by its hashes, PyTorch in one of them alone', () => {
  const [torch, rest] = [locked('image/torch.lock'), locked('image/requirements.lock')];
  const ofTorch = /^(?:torch|torchvision|torchaudio|triton|nvidia-.*)$/;
  expect(torch.every(({ name }) => ofTorch.test(name))).toBe(true);
  expect(rest.some(({ name }) => ofTorch.test(name))).toBe(false);
  const [, trio = ''] = /^torch='(.*)'$/m.exec(read('image/lock.sh')) ?? [];
  const pins = torch.map(({ name, version }) => `${name}==${version}`);
  expect(pins).toEqual(expect.arrayContaining(trio.split(' ')));
  const names = rest.map(({ name }) => name);
  expect(names).toEqual(
    expect.arrayContaining([
      'aiohttp',
      'aiohttp-session',
      'cryptography',
      'jinja2',
      'bcrypt',
      'pycryptodome',
    ]),
  );
});

test('the scripts are sound for a POSIX shell', () => {
  for (const file of ['checkout.sh', 'healthcheck.sh', 'lock.sh']) {
    expect(spawnSync('sh', ['-n', join(root, 'image', file)]).status, file).toBe(0);
  }
});
