import { dirname } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { driverOf } from '../../src/commands/service-driver.ts';
import type { World } from '../../src/commands/world.ts';
import type { ServiceLayout } from '../../src/model/layout.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { nodeProcess } from '../../src/platform/process.ts';
import { cheapHash, Deployment, freshSecret, PATHS } from './deployment.ts';
import { expectSilent } from './silence.ts';
import { StubDocker } from './stub-docker.ts';

const SERVICE = 'comfyui-qwen';

let tree: Deployment;
let stub: StubDocker;
beforeEach(() => {
  tree = new Deployment();
  stub = new StubDocker();
  stub.change((state) => {
    state.services[SERVICE] = {};
  });
});
afterEach(async () => {
  tree.remove();
  await stub.remove();
});

const driver = (env: Record<string, string> = {}, variables: string[] = []) => {
  const service: ServiceLayout = {
    name: SERVICE,
    url: 'http://127.0.0.1:8188',
    restart: { driver: 'compose', file: tree.path(PATHS.compose), service: SERVICE },
    env: {
      kind: 'env-file',
      path: tree.path(PATHS.env),
      readers: [{ name: 'compose' }],
      keys: { COMFYUI_PASSWORD: 'password', COMFYUI_BEARER_TOKEN: 'bearer' },
      required: ['REQUIRED'],
      defaults: { DEFAULTED: '1' },
    },
    authorityDeclared: false,
    locations: [{ kind: 'password-file', path: tree.path(PATHS.password) }],
  };
  const world: World = {
    env: { PATH: stub.path, HOME: tree.root, ...env },
    cwd: tree.root,
    clock: systemClock,
    process: nodeProcess,
    bcrypt: { verify: async () => true, verifyAll: async () => [], hash: async (password) => password },
    stdin: async () => '',
    progress: () => undefined,
  };
  return driverOf(service, tree.root, world, 20_000, variables);
};

/** What the driver says where Compose ends with these words. */
async function said(words: string, before: () => void = () => undefined, env = {}): Promise<string> {
  stub.change((state) => {
    state.on.up = { exit: 1, stderr: `Error of it: ${words} is odd\n` };
  });
  const service = driver(env);
  before();
  const error = await service.restart('recreate').catch((reason: unknown) => reason);
  return (error as Error).message;
}

it('hides whatever the files of the service hold, in any piece that Compose could make of it', async () => {
  const odd = `$${freshSecret('a')}-x$${freshSecret('b')}`;
  const line = freshSecret('line');
  tree.write(PATHS.env, `${tree.envText()}ODD="${odd}"\nSHORT=s3cr3t\nLINES="${line}\nof ${line}b"\n`);
  const [, first = '', second = ''] = odd.split('$');
  const fragments = tree.bearer.split(/[$./]/).filter((piece) => piece.length >= 8);
  const pieces = [
    tree.password,
    tree.bearer,
    `$${tree.bearer}`,
    tree.secrets.hf,
    ...fragments,
    odd,
    first,
    first.split('-')[0] ?? '',
    second,
    's3cr3t',
    line,
    `of ${line}b`,
  ];
  for (const piece of pieces) expect(piece).not.toBe('');
  expect(fragments.length).toBeGreaterThan(0);
  const message = await said(pieces.join(' , '));
  expectSilent(message, pieces);
  expect(message).toMatch(/Error of it: \[secret\] , .*\[secret\]/);
  expect(message).not.toContain('s3cr3t');
});

it('hides what the files held before, and what was written since', async () => {
  const [old, password] = [tree.bearer, freshSecret()];
  const bearer = cheapHash(password);
  const message = await said(`${old} ${bearer} ${password}`, () => {
    tree.write(PATHS.env, tree.envText(`'${bearer}'`).replace(tree.password, password));
    tree.write(PATHS.password, `${bearer}\nadmin`);
  });
  expectSilent(message, [old, bearer, password]);
});

it('hides a short password, what a compose file spells out, and tokens of the shell', async () => {
  const [spelt, shell] = [freshSecret(), freshSecret()];
  tree.edit(PATHS.env, tree.password, 'pw1');
  tree.write(PATHS.compose, `services:\n  a:\n    environment: { API_TOKEN: "${spelt}" }\n`);
  const message = await said(`${spelt} ${shell} <pw1>`, undefined, { REGISTRY_PASSWORD: shell });
  expectSilent(message, [spelt, shell]);
  expect(message).toContain('<[secret]>');
});

it('quotes nothing of a file that the layout does not name', async () => {
  const secret = freshSecret();
  const message = await said(`service "${SERVICE}": character "-" in variable name "${secret}-x"`);
  expectSilent(message, [secret]);
  expect(message).toContain(`service "${SERVICE}": character "…" in variable name "…"`);
});

it('an ordinary message stays as it is', async () => {
  expect(await said('port 8188 at /srv/comfyui: admin true')).toContain(
    'port 8188 at /srv/comfyui: admin true',
  );
});

it('no key of a .env that is read, and none that will be written, comes from the shell', async () => {
  tree.write(`${dirname(PATHS.compose)}/.env`, `${tree.envText()}export A=1\n B : x\nC: y\n# D=1\n`);
  const shell = [
    'HF_TOKEN',
    'QWEN_API_TOKEN',
    'A',
    'C',
    'REQUIRED',
    'DEFAULTED',
    'COMFYUI_LOGIN_ENABLED',
    'ADDED',
  ];
  await driver(Object.fromEntries(['D', ...shell].map((key) => [key, 'shell'])), ['ADDED']).containers();
  expect(stub.calls().length).toBeGreaterThan(0);
  for (const { env } of stub.calls()) expect(Object.keys(env).sort()).toEqual(['D', 'HOME', 'PATH']);
});
