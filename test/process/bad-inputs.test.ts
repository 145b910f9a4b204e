import { spawnSync } from 'node:child_process';
import { mkdirSync, symlinkSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CLI, cleanEnv, Deployment, freshSecret, PATHS, runBundle } from './deployment.ts';
import { expectSilent } from './silence.ts';
import { type Bad, codesOf, fifo, instead, knownSecrets, survives } from './survives.ts';

let tree: Deployment;
beforeEach(() => {
  tree = new Deployment();
});
afterEach(() => tree.remove());

const posix = process.platform !== 'win32';

describe('a hash that is none', () => {
  const forms: [name: string, form: (hash: string) => string, hint: string][] = [
    ['57 characters', (hash) => hash.slice(0, 57), 'truncated'],
    ['59 characters', (hash) => hash.slice(0, 59), 'truncated'],
    ['61 characters', (hash) => `${hash.slice(0, 40)}${hash[39]}${hash.slice(40)}`, 'doubled-character'],
    ['63 characters', (hash) => `${hash}abc`, 'other'],
    ['a byte order mark before it', (hash) => `\uFEFF${hash}`, 'bom'],
    ['a carriage return behind it', (hash) => `${hash}\r`, 'white-space'],
    ['quotes round it', (hash) => `"${hash}"`, 'quoted'],
    ['Bearer before it', (hash) => `Bearer ${hash}`, 'prefixed'],
    ['KEY= twice', (hash) => `K=K=${hash}`, 'key-repeated'],
    ['every dollar doubled', (hash) => hash.replaceAll('$', '$$$$'), 'dollar-doubled'],
    ['cost 03', (hash) => hash.replace('$04$', '$03$'), 'other'],
    ['cost 32', (hash) => hash.replace('$04$', '$32$'), 'other'],
  ];
  it.each(forms)('%s', (name, form, hint) => {
    survives(tree, {
      name,
      plant: () => tree.write(PATHS.token, form(tree.bearer)),
      audit: [1, 'bearer-malformed', { hint }],
      sync: 'mends',
    });
    expect(tree.read(PATHS.token)).toBe(tree.bearer);
  });
});

describe('a password with odd characters', () => {
  const odd = [...`'"\\$#%=!@(^\``, '::add-mask::x', '##[x]', '😀', '$(id)', '%0A', ' # '];
  it.each(odd)('%s in the middle stands as it is, or is refused', (text) => {
    const password = `a${freshSecret()}${text}z`;
    const env = { COMFYUI_PASSWORD: password };
    const before = tree.photograph();
    const ran = tree.runWith({ env }, 'sync');
    expectSilent(ran.stdout + ran.stderr, [...knownSecrets(tree), password]);
    if (ran.code === 2) {
      expect(codesOf(ran)).toContain('unspellable');
      expect(tree.photograph()).toEqual(before);
      return;
    }
    expect(ran.json.status).toBe('changed');
    expect(JSON.parse(tree.read(PATHS.conf)).raw_token).toBe(password);
    expect(tree.runWith({ env }, 'audit').json.status).toBe('clean');
    expect(tree.run('audit').json.services[0].pair).toBe('verified');
  });

  it('in a file behind a link, as Kubernetes makes them', () => {
    tree.write('..data/password', `${tree.password}\n`);
    symlinkSync('..data/password', tree.path('password'));
    symlinkSync('nowhere', tree.path('lost'));
    const sync = (file: string) => tree.runWith({ env: { COMFYUI_PASSWORD_FILE: tree.path(file) } }, 'sync');
    expect(sync('password').json.status).toBe('unchanged');
    expect(sync('lost')).toMatchObject({ code: 2, json: { error: { code: 'secret-file-unreadable' } } });
  });

  it('beside a user who is called like a placeholder', () => {
    const env = { COMFYUI_USERNAME: 'example', COMFYUI_PASSWORD: tree.password };
    expect(tree.runWith({ env }, 'sync')).toMatchObject({
      code: 2,
      json: { error: { code: 'username-unusable' } },
    });
  });

  const stdins: [name: string, bytes: Buffer, code: string][] = [
    ['73 bytes', Buffer.from(freshSecret('x'.repeat(73))), 'password-too-long'],
    ['a NUL', Buffer.from(`${freshSecret()}\0x`), 'password-unusable'],
    ['two lines', Buffer.from(`${freshSecret()}\nx\n`), 'password-unusable'],
    [
      'bytes that are no UTF-8',
      Buffer.concat([Buffer.from(freshSecret()), Buffer.from([0xff])]),
      'stdin-unusable',
    ],
    ['more than anybody would type', Buffer.alloc(200_000, 'x'), 'stdin-unusable'],
    ['nothing', Buffer.from('\n'), 'secret-empty'],
  ];
  it.each(stdins)('%s on stdin', (_, bytes, code) => {
    const before = tree.photograph();
    const args = [CLI, 'sync', '--root', tree.root, '--json', '--password-stdin'];
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { input: bytes, env: cleanEnv() });
    expect(JSON.parse(String(stdout)).error?.code).toBe(code);
    expect(status).toBe(2);
    expectSilent(`${stdout}${stderr}`, [bytes.toString('utf8', 0, 24)]);
    expect(tree.photograph()).toEqual(before);
  });
});

describe('a .env', () => {
  const envs: Bad[] = [
    {
      name: 'CRLF',
      plant: () => tree.write(PATHS.env, tree.envText().replaceAll('\n', '\r\n')),
      sync: 'nothing to do',
    },
    {
      name: 'mixed line ends',
      plant: () => tree.edit(PATHS.env, 'admin\n', 'admin\r\n'),
      sync: 'nothing to do',
    },
    {
      name: 'no final newline',
      plant: () => tree.write(PATHS.env, tree.envText().trimEnd()),
      sync: 'nothing to do',
    },
    {
      name: 'export',
      plant: () => tree.edit(PATHS.env, 'HF_TOKEN', 'export HF_TOKEN'),
      sync: 'nothing to do',
    },
    {
      name: 'blanks round =',
      plant: () => tree.edit(PATHS.env, 'HF_TOKEN=', 'HF_TOKEN = '),
      sync: 'nothing to do',
    },
    {
      name: 'a comment',
      plant: () => tree.edit(PATHS.env, tree.secrets.hf, `${tree.secrets.hf} # c`),
      sync: 'nothing to do',
    },
    {
      name: 'a value over lines',
      plant: () => tree.edit(PATHS.env, '# the', 'A="1\n2\n"\n#'),
      sync: 'nothing to do',
    },
    {
      name: 'the same key twice, differing',
      plant: () =>
        tree.edit(PATHS.env, 'COMFYUI_USERNAME=admin', 'COMFYUI_USERNAME=a\nCOMFYUI_USERNAME=admin'),
      audit: [1, 'key-duplicated'],
      sync: 'mends',
    },
    {
      name: 'empty',
      plant: () => tree.write(PATHS.env, ''),
      audit: [1, 'key-missing'],
      sync: [2, 'key-missing'],
    },
    {
      name: 'a NUL',
      plant: () => tree.write(PATHS.env, `${tree.envText(tree.bearer)}A=\0\n`),
      sync: [2, 'env-file-rejected'],
    },
    {
      name: 'not UTF-8',
      plant: () => tree.write(PATHS.env, Buffer.concat([Buffer.from(tree.envText()), Buffer.from([0xff])])),
      audit: [1, 'env-file-rejected'],
      sync: [2, 'env-file-rejected'],
    },
    {
      name: 'a quote that nothing closes',
      plant: () => tree.edit(PATHS.env, 'HF_TOKEN=', 'HF_TOKEN="'),
      audit: [1, 'env-file-rejected'],
      sync: [2, 'env-file-rejected'],
    },
    {
      name: 'a folder',
      plant: () => instead(tree, PATHS.env, mkdirSync),
      audit: [1, 'not-a-file'],
      sync: [2, 'not-a-file'],
    },
  ];
  if (posix) {
    const link = (path: string) => symlinkSync(tree.path(PATHS.rootEnv), path);
    envs.push({
      name: 'a FIFO',
      plant: () => instead(tree, PATHS.env, fifo),
      audit: [1, 'not-a-file'],
      sync: [2, 'not-a-file'],
    });
    envs.push({
      name: 'a link',
      plant: () => instead(tree, PATHS.env, link),
      audit: [1, 'not-a-file'],
      sync: [2, 'not-a-file'],
    });
  }
  it.each(envs)('$name', (bad) => survives(tree, bad));

  it('of 10⁵ lines', () => {
    const more = (count: number) => Array.from({ length: count }, (_, i) => `K${i}=${i}\n`).join('');
    tree.write(PATHS.env, tree.envText() + more(100_000));
    expect(tree.run('audit').json.status).toBe('clean');
    // Writing reads it several times over: a fifth of it keeps the test quick.
    const whole = tree.envText() + more(20_000);
    tree.write(PATHS.env, whole.replace('USERNAME=admin', 'USERNAME='));
    expect(tree.run('sync').json.status).toBe('changed');
    expect(tree.read(PATHS.env)).toBe(whole);
  });

  it('shows no piece of a quoted secret as the key that some readers take it for', () => {
    const pieces = [freshSecret('A'), freshSecret('B'), freshSecret('C')];
    tree.write('x.env', `A=1\nPEM="${pieces[0]}\n${pieces[1]}=\n${pieces[2]}\n"\n`);
    for (const json of [[], ['--json']]) {
      const ran = runBundle(CLI, ['explain', tree.path('x.env'), '--root', tree.root, ...json]);
      expect(ran.stdout).toContain('(line 3)');
      expectSilent(ran.stdout + ran.stderr, pieces);
    }
  });
});
