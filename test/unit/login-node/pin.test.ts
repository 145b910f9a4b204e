import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readComfyUiArgs } from '../../../entrypoint/comfyui-args.ts';
import { digestOf } from '../../../entrypoint/login-node/digest.ts';
import { lookForLoginNode } from '../../../entrypoint/login-node/look.ts';
import { readLoginNodeSettings } from '../../../entrypoint/login-node/settings.ts';
import { lay, NODE, Stage } from './stage.ts';

let stage: Stage;
let pin: string;
let found: string;
beforeEach(() => {
  stage = new Stage();
  pin = join(stage.folder, 'pin.json');
  found = join(stage.nodes, 'login');
  writePin();
});
afterEach(() => stage.remove());

/** As the image's build writes it. */
function writePin(change: Record<string, unknown> = {}): void {
  const sum = (content: string) => createHash('sha256').update(content).digest('hex');
  const files = Object.fromEntries(Object.entries(NODE).map(([path, content]) => [path, sum(content)]));
  const repository = 'https://git.example/login';
  writeFileSync(pin, JSON.stringify({ version: 1, repository, commit: 'c0ffee', files, ...change }));
}

const unknown = { code: 'login-node-unknown', exit: 78 };

describe('a login node, where the image has a pin', () => {
  test('is taken where its code is the pinned one, whatever else there is', async () => {
    lay(found, { ...NODE, 'login.html': 'changed', '.secret-key.txt': 'k', '__pycache__/a.pyc': 'x' });
    lay(found, { '.git/hooks/x.py': 'x', 'notes.txt': 'x' });
    expect(await stage.ensure([], { pin })).toBe(found);
  });

  test.each<[string, (folder: string) => unknown, string]>([
    [
      'another password.py',
      (to) => lay(to, { 'password.py': 'check_login_status # 2' }),
      'password.py differs',
    ],
    ['another __init__.py', (to) => lay(to, { '__init__.py': '' }), '__init__.py differs'],
    ['more code', (to) => lay(to, { 'js/more.py': '' }), 'js/more.py is added'],
    ['a module that goes before', (to) => lay(to, { 'password.so': '' }), 'password.so is added'],
    ['a package that goes before', (to) => symlinkSync('/', join(to, 'password')), 'password is added'],
    ['less code', (to) => rmSync(join(to, 'examples'), { recursive: true }), 'examples/one.py is missing'],
    ['code that is too large', (to) => truncateSync(join(to, 'examples/one.py'), 2 ** 31), 'one.py differs'],
    ['a name in two lines', (to) => lay(to, { 'a\nb.py': '' }), 'a\nb.py is added'],
    ['no end of entries', (to) => many(join(to, 'many')), '… is added'],
  ])('is refused with %s', async (_name, change, why) => {
    lay(found, NODE);
    change(found);
    const refusal = { ...unknown, message: expect.stringContaining(why) };
    await expect(stage.ensure([], { pin })).rejects.toMatchObject({
      ...refusal,
      remedy: `put c0ffee of https://git.example/login there, or set LOGIN_NODE_ALLOW=${digestOf(found)} where this version is meant`,
    });
    await expect(stage.restore([], { pin })).rejects.toMatchObject({
      ...refusal,
      remedy: expect.stringMatching(/^remove \S+\/login \(then the image’s copy is restored\), or set LOGIN/),
    });
    expect(await stage.ensure([], { pin, allow: ['0'.repeat(64), digestOf(found)] })).toBe(found);
    expect(await stage.ensure([], { pin, allow: 'any' })).toBe(found);
    expect(await stage.ensure()).toBe(found);
  });

  test('is refused beside a pinned one, too', async () => {
    lay(found, NODE);
    lay(join(stage.nodes, 'other'), { ...NODE, 'password.py': 'check_login_status = 0' });
    await expect(stage.ensure([], { pin })).rejects.toMatchObject(unknown);
  });

  test('is restored only from a copy that is the pinned one', async () => {
    expect(await stage.restore([], { pin })).toBe(join(stage.nodes, 'ComfyUI-Login'));
    rmSync(stage.nodes, { recursive: true });
    lay(stage.copy, { 'more.py': '' });
    await expect(stage.restore([], { pin })).rejects.toMatchObject({
      ...unknown,
      remedy: expect.stringContaining('build the image again with c0ffee'),
    });
    expect(statSync(stage.nodes, { throwIfNoEntry: false })).toBeUndefined();
  });

  test('without a pin, a list of digests alone decides', async () => {
    lay(found, NODE);
    expect(await stage.ensure([], { allow: [digestOf(found)] })).toBe(found);
    await expect(stage.ensure([], { allow: ['0'.repeat(64)] })).rejects.toMatchObject({
      ...unknown,
      message: expect.stringContaining('LOGIN_NODE_ALLOW does not name it'),
    });
  });

  test.each<[string, () => void]>([
    ['no JSON', () => writeFileSync(pin, '{')],
    ['another version', () => writePin({ version: 2 })],
    ['no digests', () => writePin({ files: { 'password.py': 'x', '__init__.py': 'y' } })],
    ['no password.py', () => writePin({ files: {} })],
    ['no files', () => writePin({ files: null })],
    ['a list', () => writeFileSync(pin, '[]')],
    ['a folder', () => [rmSync(pin), mkdirSync(pin)]],
    ['nothing', () => rmSync(pin)],
  ])('a pin that is none is refused: %s', async (_name, spoil) => {
    lay(found, NODE);
    spoil();
    await expect(stage.ensure([], { pin })).rejects.toMatchObject({
      code: 'login-node-pin-broken',
      exit: 78,
    });
  });
});

function many(folder: string): void {
  mkdirSync(folder);
  for (let at = 0; at < 2001; at++) writeFileSync(join(folder, `${at}`), '');
}

test('the digest is the one that a shell makes', () => {
  lay(found, { ...NODE, 'a b.py': 'x', 'ä.py': 'y', 'Z.py': 'z', 'sub/a-b.py': 's', 'sub-a.py': 't' });
  lay(found, { 'a.pyc': 'c', 'sub/a.so': 'o', '__pycache__/a.pyc': 'n', '.git/hooks.py': 'n', 'a.txt': 'n' });
  symlinkSync('a b.py', join(found, 'link.py'));
  const docs = readFileSync(resolve(import.meta.dirname, '../../../docs/login-node.md'), 'utf8');
  const line = /^find \. [^`]*sha256sum$/m.exec(docs)?.[0] ?? '';
  const { stdout } = spawnSync('sh', ['-c', line], { cwd: found, encoding: 'utf8' });
  expect(stdout).toBe(`${digestOf(found)}  -\n`);
});

test('looking changes nothing, and says what a start would', async () => {
  const log = { info: () => undefined, warning: () => undefined, error: () => undefined };
  const options = { allow: [], owner: { uid: 0, gid: 0 }, env: {}, log, copy: stage.copy, pin };
  const look = (...argv: string[]) =>
    lookForLoginNode(stage.comfyui, readComfyUiArgs(argv, { port: 8188 }), options);
  expect(await look()).toBeUndefined();
  expect(readdirSync(stage.nodes)).toEqual([]);
  await expect(look('--disable-all-custom-nodes')).rejects.toMatchObject({ code: 'login-node-disabled' });
  lay(found, NODE);
  expect(await look()).toBe(found);
  lay(found, { 'more.py': '' });
  await expect(look()).rejects.toMatchObject(unknown);
});

describe('the settings', () => {
  const A = 'a'.repeat(64);

  test.each<[Record<string, string>, object]>([
    [{}, { allow: [] }],
    [{ LOGIN_NODE_ALLOW: ` ${A.toUpperCase()} ,, ${A}` }, { allow: [A, A] }],
    [{ LOGIN_NODE_ALLOW: 'ANY' }, { allow: 'any' }],
    [
      { LOGIN_NODE_COPY: '/', LOGIN_NODE_PIN: '/etc' },
      { copy: '/', pin: '/etc', allow: [] },
    ],
  ])('%j', (env, expected) => {
    expect(readLoginNodeSettings(env)).toMatchObject(expected);
  });

  test('a copy and a pin can be switched off where they are there', () => {
    const found = readLoginNodeSettings({ LOGIN_NODE_COPY: 'off', LOGIN_NODE_PIN: 'off' });
    expect(found).toEqual({ allow: [] });
  });

  test.each(['LOGIN_NODE_COPY', 'LOGIN_NODE_PIN', 'LOGIN_NODE_ALLOW'])('%s is judged', (name) => {
    for (const value of ['/no/such/path', 'etc', A.slice(1)]) {
      expect(() => readLoginNodeSettings({ [name]: value })).toThrow(name);
    }
  });
});
