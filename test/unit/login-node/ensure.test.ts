import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { restoreLoginNode } from '../../../entrypoint/login-node/restore.ts';
import { lay, NODE, owner, Stage } from './stage.ts';

let stage: Stage;
beforeEach(() => {
  stage = new Stage();
});
afterEach(() => stage.remove());

const isRoot = process.getuid?.() === 0;
const node = (name: string, files = NODE, nodes = stage.nodes) => {
  lay(join(nodes, name), files);
  return join(nodes, name);
};
const names = (folder = stage.nodes) => readdirSync(folder).sort();
const { '__init__.py': _, ...WITHOUT_INIT } = NODE;

describe('the login node that ComfyUI will load', () => {
  test.each(['ComfyUI-Login', 'zz login', '.hidden', 'ÄÖ'])('is found under any name: %s', async (name) => {
    const found = node(name);
    expect(await stage.ensure()).toBe(found);
    expect(stage.events).toEqual([]);
  });

  test('behind links', async () => {
    const elsewhere = join(stage.folder, 'elsewhere');
    lay(join(elsewhere, 'login'), NODE);
    rmSync(stage.nodes, { recursive: true });
    symlinkSync(elsewhere, stage.nodes);
    symlinkSync('login', join(elsewhere, 'a-link'));
    expect(await stage.ensure()).toBe(join(stage.nodes, 'a-link'));
  });

  test('below --base-directory, and nowhere else', async () => {
    node('ComfyUI-Login');
    const base = join(stage.folder, 'base');
    const moved = node('login', NODE, join(base, 'custom_nodes'));
    expect(await stage.ensure(['--base-directory', '../base'])).toBe(moved);
    rmSync(moved, { recursive: true });
    await expect(stage.ensure([`--base-dir=${base}`])).rejects.toMatchObject({
      code: 'login-node-missing',
      message: expect.stringContaining('--base-directory'),
    });
  });

  test('in the folders of extra_model_paths files, is_default first', async () => {
    const [first, second] = [join(stage.folder, 'first'), join(stage.folder, 'second')];
    const found = node('login', NODE, second);
    node('a', { '__init__.py': '' }, first);
    writeFileSync(join(stage.comfyui, 'extra_model_paths.yaml'), 'x:\n  custom_nodes: ../second\n');
    expect(await stage.ensure()).toBe(found);
    writeFileSync(join(stage.folder, 'more.yaml'), 'y: {is_default: true, custom_nodes: first}\n');
    rmSync(found, { recursive: true });
    const argv = ['--extra-model-paths-config', '../more.yaml'];
    expect(await stage.restore(argv)).toBe(join(first, 'ComfyUI-Login'));
  });

  test('a file that ComfyUI will not take is told of', async () => {
    const found = node('ComfyUI-Login');
    writeFileSync(join(stage.comfyui, 'extra_model_paths.yaml'), '');
    expect(await stage.ensure(['--extra-model-paths-config', 'absent.yaml'])).toBe(found);
    expect(stage.events).toEqual([
      expect.stringMatching(/^extra-model-paths: .*extra_model_paths.yaml holds no sections/),
      expect.stringMatching(/^extra-model-paths: .*absent.yaml is not there/),
    ]);
  });

  test.each<[string, (path: string) => unknown]>([
    ['is too large to be one', (path) => truncateSync(path, 2 ** 31)],
    ['is a folder', (path) => [rmSync(path), mkdirSync(path)]],
    ['points at itself', (path) => [rmSync(path), symlinkSync(path, path)]],
    ['does not guard', (path) => writeFileSync(path, '')],
  ])('is none whose password.py %s', async (_name, spoil) => {
    spoil(join(node('ComfyUI-Login'), 'password.py'));
    await expect(stage.ensure()).rejects.toMatchObject({ code: 'login-node-missing', exit: 78 });
  });

  test('a second one is told of, a loose one too', async () => {
    const found = node('a-login');
    const other = node('b-login');
    lay(stage.nodes, { 'password.py': NODE['password.py'] ?? '' });
    expect(await stage.ensure()).toBe(found);
    expect(stage.events).toEqual([
      `login-node-duplicate: ComfyUI loads a second login node beside ${found}: ${other}, ${stage.nodes}/password.py; each checks every request, and their sessions disturb each other: keep one`,
    ]);
  });
});

test('the same folder under two names is loaded twice', async () => {
  const real = join(stage.folder, 'real');
  renameSync(stage.comfyui, real);
  symlinkSync('real', stage.comfyui);
  const found = node('login', NODE, join(real, 'custom_nodes'));
  writeFileSync(join(real, 'extra_model_paths.yaml'), `a:\n  custom_nodes: ${stage.nodes}\n`);
  expect(await stage.ensure()).toBe(found);
  expect(stage.events).toEqual([expect.stringContaining(join(stage.nodes, 'login'))]);
  expect(stage.events[0]).toMatch(/^login-node-duplicate/);
});

describe('without a copy, no start', () => {
  test.each<[string, () => void, string, RegExp]>([
    ['absent', () => undefined, 'login-node-missing', /git clone/],
    ['renamed', () => node('x.disabled'), 'login-node-disabled', /^mv \S+\/x\.disabled \S+\/x$/],
    [
      'moved aside by the Manager',
      () => node('.disabled/login@1_0'),
      'login-node-disabled',
      /^mv \S+\/\.disabled\/login@1_0 \S+custom_nodes\/ComfyUI-Login$/,
    ],
    ['not whole', () => node('x', WITHOUT_INIT), 'login-node-broken', /git clone/],
    [
      'set aside because it was not',
      () => node('x.disabled', WITHOUT_INIT),
      'login-node-missing',
      /git clone/,
    ],
    ['loose', () => lay(stage.nodes, NODE), 'login-node-broken', /move its files into/],
    ['only Python’s by-products', () => node('__pycache__'), 'login-node-missing', /git clone/],
  ])('%s', async (_name, prepare, code, remedy) => {
    prepare();
    await expect(stage.ensure()).rejects.toMatchObject({
      code,
      exit: 78,
      remedy: expect.stringMatching(remedy),
    });
  });

  test.runIf(isRoot)('what ComfyUI cannot read is named', async () => {
    // Seen from another user, since root reads everything.
    const { setuid, setgid } = { setuid: 'seteuid', setgid: 'setegid' } as const;
    node('ComfyUI-Login');
    chmodSync(stage.folder, 0o755);
    chmodSync(join(stage.nodes, 'ComfyUI-Login'), 0o700);
    process[setgid]?.(65_534);
    process[setuid]?.(65_534);
    try {
      await expect(stage.ensure()).rejects.toMatchObject({
        code: 'login-node-missing',
        exit: 77,
        message: expect.stringContaining('EACCES'),
      });
    } finally {
      process[setuid]?.(0);
      process[setgid]?.(0);
    }
  });
});

describe('--disable-all-custom-nodes', () => {
  const off = '--disable-all-custom-nodes';

  test('is refused with a copy, too', async () => {
    const refused = { code: 'login-node-disabled', exit: 78 };
    await expect(stage.restore([off])).rejects.toMatchObject(refused);
    node('login');
    await expect(stage.restore([off])).rejects.toMatchObject({
      ...refused,
      remedy: expect.stringContaining('--whitelist-custom-nodes login'),
    });
    expect(names()).toEqual(['login']);
  });

  test('with the node on the whitelist is as usual', async () => {
    const argv = [off, '--whitelist-custom-nodes', 'x', 'ComfyUI-Login'];
    const restored = await stage.restore(argv);
    expect(restored).toBe(join(stage.nodes, 'ComfyUI-Login'));
    expect(await stage.ensure(argv)).toBe(restored);
  });
});

describe('restored from the copy', () => {
  const restored = () => join(stage.nodes, 'ComfyUI-Login');

  test.each<[string, () => void, string[], RegExp]>([
    ['hidden by a volume', () => undefined, ['ComfyUI-Login'], /no login node is installed/],
    ['no folder at all', () => rmSync(stage.nodes, { recursive: true }), ['ComfyUI-Login'], /no login node/],
    [
      'disabled',
      () => node('ComfyUI-Login.disabled'),
      ['ComfyUI-Login', 'ComfyUI-Login.disabled'],
      /is disabled \(\S+\.disabled\)/,
    ],
    ['broken', () => node('x', WITHOUT_INIT), ['ComfyUI-Login', 'x'], /\/x has no __init__\.py/],
    [
      'broken, in its place',
      () => node('ComfyUI-Login', WITHOUT_INIT),
      ['ComfyUI-Login', expect.stringMatching(/^ComfyUI-Login\.[0-9a-f]{16}\.disabled$/)],
      /what stood there is now \S+\.disabled$/,
    ],
    [
      'a broken link in its place',
      () => symlinkSync('nowhere', join(stage.nodes, 'ComfyUI-Login')),
      ['ComfyUI-Login', expect.stringMatching(/^ComfyUI-Login\.[0-9a-f]{16}\.disabled$/)],
      /what stood there is now/,
    ],
  ])('%s', async (_name, prepare, left, said) => {
    prepare();
    expect(await stage.restore()).toBe(restored());
    expect(names()).toEqual(left);
    expect(readFileSync(join(restored(), 'js/logout.js'), 'utf8')).toBe('// out\n');
    expect(stage.events).toEqual([expect.stringMatching(said)]);
    expect(stage.events[0]).toMatch(/^login-node-restored: /);
    expect(await stage.restore()).toBe(restored());
    expect(stage.events).toHaveLength(1);
  });

  test('without what is not of the node: links, bytecode, a repository, a key', async () => {
    lay(stage.copy, {
      '.git/HEAD': 'x',
      '__pycache__/password.cpython-311.pyc': 'x',
      'js/old.pyc': 'x',
      '.secret-key.txt': 'x',
    });
    symlinkSync('password.py', join(stage.copy, 'link.py'));
    await stage.restore();
    const found = readdirSync(restored(), { recursive: true, encoding: 'utf8' });
    const all = [...Object.keys(NODE), 'js', 'examples'];
    expect(found.sort()).toEqual(all.sort());
  });

  test('a set-aside folder is never overwritten', async () => {
    for (const round of [1, 2]) {
      rmSync(restored(), { recursive: true, force: true });
      lay(restored(), { 'mine.txt': `${round}` });
      await stage.restore();
    }
    const aside = names().filter((name) => name.endsWith('.disabled'));
    expect(aside.map((name) => readFileSync(join(stage.nodes, name, 'mine.txt'), 'utf8')).sort()).toEqual([
      '1',
      '2',
    ]);
  });

  test.runIf(isRoot)('is ComfyUI’s user’s', async () => {
    chmodSync(stage.folder, 0o755);
    chownSync(stage.nodes, 1234, 2345);
    const groups = process.getgroups?.();
    await stage.restore([], { owner: { uid: 1234, gid: 2345 } });
    expect([process.geteuid?.(), process.getegid?.(), process.getgroups?.()]).toEqual([0, 0, groups]);
    for (const path of ['.', 'js', 'js/logout.js', '__init__.py']) {
      const { uid, gid, mode } = statSync(join(restored(), path));
      expect([path, uid, gid, mode & 0o777]).toEqual([
        path,
        1234,
        2345,
        path.includes('.', 1) ? 0o644 : 0o755,
      ]);
    }
  });

  describe.runIf(isRoot)('by root, for another user: where that user may write, and nowhere else', () => {
    const user = { uid: 1234, gid: 2345 };
    const left = '.ComfyUI-Login.0123456789abcdef.new.disabled';
    const refused = { code: 'login-node-not-restored', exit: 77, remedy: expect.stringContaining('chown') };
    let roots: string;
    beforeEach(() => {
      roots = join(stage.folder, 'roots');
      lay(join(roots, left), { 'a.txt': '' });
      for (const path of [stage.folder, roots]) chmodSync(path, 0o755);
      // The copy itself may be root's alone.
      chmodSync(stage.copy, 0o700);
      chownSync(stage.comfyui, user.uid, user.gid);
    });
    const untouched = () =>
      expect(readdirSync(roots, { recursive: true })).toEqual([left, join(left, 'a.txt')]);

    test('custom_nodes that leads into a folder of root’s', async () => {
      rmSync(stage.nodes, { recursive: true });
      symlinkSync(roots, stage.nodes);
      await expect(stage.restore([], { owner: user })).rejects.toMatchObject(refused);
      untouched();
    });

    test('a new folder in one of root’s, by extra_model_paths', async () => {
      const config = `x:\n  is_default: true\n  custom_nodes: ${join(roots, 'new')}\n`;
      writeFileSync(join(stage.comfyui, 'extra_model_paths.yaml'), config);
      await expect(stage.restore([], { owner: user })).rejects.toMatchObject(refused);
      untouched();
    });

    test('a folder of its own that is not there yet', async () => {
      rmSync(stage.nodes, { recursive: true });
      expect(await stage.restore([], { owner: user })).toBe(restored());
      expect(statSync(stage.nodes)).toMatchObject(user);
    });
  });

  test('what a killed start has left is cleaned up, and nothing else', async () => {
    const left = '.ComfyUI-Login.0123456789abcdef.new.disabled';
    const kept = ['.ComfyUI-Login.mine.new.disabled', 'x.disabled'];
    lay(join(stage.nodes, left), { 'password.py': NODE['password.py'] ?? '' });
    for (const name of kept) lay(join(stage.nodes, name), { 'a.txt': '' });
    await stage.restore();
    expect(names()).toEqual([...kept, 'ComfyUI-Login'].sort());
  });

  test('starts side by side do not disturb each other', async () => {
    const all = await Promise.all(Array.from({ length: 6 }, () => stage.restore()));
    expect(new Set(all)).toEqual(new Set([restored()]));
    expect(names()).toEqual(['ComfyUI-Login']);
  });

  test('not over one that another start has put there in the meantime', () => {
    lay(restored(), { ...NODE, 'theirs.txt': '' });
    expect(restoreLoginNode(stage.copy, stage.nodes, owner)).toBeUndefined();
    expect([names(), readdirSync(restored())]).toEqual([
      ['ComfyUI-Login'],
      expect.arrayContaining(['theirs.txt']),
    ]);
  });

  test('a copy that is none is refused', async () => {
    rmSync(join(stage.copy, '__init__.py'));
    await expect(stage.restore()).rejects.toMatchObject({ code: 'setting-invalid', exit: 78 });
    expect(names()).toEqual([]);
  });

  test.each<[string, string[], () => unknown]>([
    ['--base-directory', ['--base-directory', '/no/such'], () => undefined],
    [
      'a file in its place',
      [],
      () => [rmSync(stage.nodes, { recursive: true }), lay(stage.comfyui, { custom_nodes: '' })],
    ],
  ])('not into what is no folder: %s', async (_name, argv, prepare) => {
    prepare();
    await expect(stage.restore(argv)).rejects.toMatchObject({ code: 'custom-nodes-missing', exit: 78 });
  });

  test.runIf(isRoot)('not where ComfyUI’s user may not write', async () => {
    chmodSync(stage.folder, 0o755);
    const attempt = stage.restore.bind(stage);
    process.setegid?.(65_534);
    process.seteuid?.(65_534);
    try {
      await expect(attempt()).rejects.toMatchObject({
        code: 'login-node-not-restored',
        exit: 77,
        remedy: expect.stringContaining('chown'),
      });
    } finally {
      process.seteuid?.(0);
      process.setegid?.(0);
    }
    expect(names()).toEqual([]);
  });
});

test('a name with a line feed is one name', async () => {
  const found = node('a\nb');
  expect(await stage.ensure()).toBe(found);
  renameSync(found, `${found}.disabled`);
  await stage.restore();
  expect(existsSync(`${found}.disabled`)).toBe(true);
});
