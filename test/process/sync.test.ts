import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CLI, cheapHash, Deployment, found, freshSecret, PATHS, runBundle } from './deployment.ts';

let tree: Deployment;
beforeEach(() => {
  tree = new Deployment();
});
afterEach(() => tree.remove());

/** What sync must leave alone when it refuses: all that was there before. */
function untouched(before: Record<string, string>): void {
  const after = tree.photograph();
  for (const [path, state] of Object.entries(before)) expect(after[path], path).toBe(state);
}

describe('sync', () => {
  it('brings every location together, and then changes no byte and no time', () => {
    const other = cheapHash(freshSecret());
    tree.write(PATHS.token, other);
    tree.write(PATHS.password, `${other}\r\nadmin`);
    tree.write(PATHS.env, tree.envText(tree.bearer), 0o644);
    tree.edit(PATHS.env, 'COMFYUI_LOGIN_ENABLED=true\n', '');
    tree.write(PATHS.conf, tree.confText({ bcrypt_hash: `${tree.bearer}xyz`, unknown: { kept: [1, 2.0] } }));

    const first = tree.run('sync');
    expect(first.json).toMatchObject({ status: 'changed', exitCode: 0 });
    expect(first.json.backup).toMatch(/^\d{8}T/);
    expect(tree.read(PATHS.token)).toBe(tree.bearer);
    expect(tree.read(PATHS.password)).toBe(`${tree.bearer}\nadmin`);
    expect(tree.read(PATHS.env)).toContain(`COMFYUI_BEARER_TOKEN='${tree.bearer}'\n`);
    expect(tree.read(PATHS.env)).toContain('COMFYUI_LOGIN_ENABLED=true\n');
    expect(statSync(tree.path(PATHS.env)).mode & 0o777).toBe(0o600);
    expect(JSON.parse(tree.read(PATHS.conf))).toMatchObject({
      bcrypt_hash: tree.bearer,
      unknown: { kept: [1, 2] },
    });

    const before = tree.photograph();
    expect(tree.run('sync').json).toMatchObject({ status: 'unchanged', backup: null });
    expect(tree.photograph()).toEqual(before);
    expect(tree.run('audit').json.status).toBe('clean');
  });

  it('keeps every line that it does not own', () => {
    const lines = '\uFEFF# kept\r\nFOREIGN = "a b"  # why\r\n\r\nexport OTHER=1\r\n';
    tree.write(PATHS.env, lines + tree.envText().replaceAll('\n', '\r\n'));
    tree.edit(PATHS.env, /COMFYUI_USERNAME=.*\r\n/, '');
    expect(tree.run('sync').json.status).toBe('changed');
    const text = tree.read(PATHS.env);
    for (const line of ['# kept\r\n', 'FOREIGN = "a b"  # why\r\n', 'export OTHER=1\r\n'])
      expect(text).toContain(line);
    expect(text).toContain('COMFYUI_USERNAME=admin\r\n');
    expect(text.replaceAll('\r\n', '')).not.toContain('\n');
  });

  it('writes nothing with --dry-run, and says what it would write', () => {
    tree.write(PATHS.token, cheapHash(freshSecret()));
    const before = tree.photograph();
    const ran = tree.run('sync', '--dry-run');
    expect(ran.json).toMatchObject({ status: 'planned', exitCode: 0 });
    const planned = ran.json.services[0].files.filter((one: { action: string }) => one.action !== 'none');
    expect(planned).toEqual([{ path: tree.path(PATHS.token), action: 'update', keys: ['bearer'] }]);
    expect(tree.photograph()).toEqual(before);
  });

  it('takes a password that is handed in, and a deployed bearer that fits it', () => {
    const next = freshSecret();
    const hash = cheapHash(next);
    tree.write(PATHS.token, hash);
    const ran = tree.runWith({ input: `${next}\n` }, 'sync', '--password-stdin');
    expect(ran.json.status).toBe('changed');
    expect(ran.json.services[0].bearerFrom).toBe('deployed');
    for (const path of [PATHS.password, PATHS.conf, PATHS.env, PATHS.tokenCopy])
      expect(tree.read(path)).toContain(hash);
    expect(tree.read(PATHS.generated)).toBe(`QWEN_API_USER_TOKEN=${next}\n`);
  });

  it('derives the same bearer from a secret key on every host', () => {
    const [next, key] = [freshSecret(), freshSecret(freshSecret())];
    const env = { COMFYUI_PASSWORD: next, COMFYUI_AUTH_SECRET_KEY: key };
    expect(tree.runWith({ env }, 'sync').json.services[0].bearerFrom).toBe('derived');
    const other = new Deployment();
    other.runWith({ env }, 'sync');
    expect(other.read(PATHS.token)).toBe(tree.read(PATHS.token));
    expect(tree.read(PATHS.token)).not.toBe(tree.bearer);
    other.remove();
  });

  it('with a bearer alone leaves the passwords as they are, and says that they do not fit', () => {
    const hash = cheapHash(freshSecret());
    tree.write('bearer', hash);
    const ran = tree.run('sync', '--bearer-file', tree.path('bearer'));
    expect(ran.json.status).toBe('changed');
    expect(tree.read(PATHS.token)).toBe(hash);
    expect(tree.read(PATHS.env)).toContain(`COMFYUI_PASSWORD=${tree.password}\n`);
    expect(found(ran, 'pair-mismatch').length).toBeGreaterThan(0);
  });

  it('reconciles named variables of the environment, whatever characters they hold', () => {
    const value = `hf_'quoted' and $HOME ${freshSecret()}`.replaceAll("'", '');
    const ran = tree.runWith({ env: { HF_TOKEN: value } }, 'sync', '--variable', 'HF_TOKEN');
    expect(ran.json.status).toBe('changed');
    expect(tree.read(PATHS.env)).toContain(`HF_TOKEN='${value}'\n`);
  });

  it('keeps the mode of a PASSWORD file that ComfyUI reads by its group', () => {
    tree.write(PATHS.password, `${cheapHash(freshSecret())}\nadmin`, 0o640);
    tree.run('sync');
    expect(statSync(tree.path(PATHS.password)).mode & 0o777).toBe(0o640);
    expect(tree.read(PATHS.password)).toBe(`${tree.bearer}\nadmin`);
  });
});

describe('sync refuses, and nothing changes', () => {
  const refusals: {
    name: string;
    plant: () => void;
    args?: string[];
    env?: () => Record<string, string>;
    exit: number;
    says: string;
  }[] = [
    {
      name: 'two deployed passwords that disagree',
      plant: () => tree.edit(PATHS.rootEnv, tree.password, freshSecret()),
      exit: 2,
      says: 'password-drift',
    },
    {
      name: 'a pair of the authority that does not fit',
      plant: () => tree.edit(PATHS.conf, tree.bearer, cheapHash(freshSecret())),
      exit: 2,
      says: 'pair-mismatch',
    },
    {
      name: 'a required key without a value',
      plant: () => tree.edit(PATHS.env, /CIVITAI_TOKEN=.*\n/, ''),
      exit: 2,
      says: 'key-missing',
    },
    {
      name: 'a conf that is cut off',
      plant: () => tree.write(PATHS.conf, tree.confText().slice(0, -20)),
      env: () => ({ COMFYUI_PASSWORD: tree.password }),
      exit: 2,
      says: 'conf-malformed',
    },
    {
      name: 'a folder where PASSWORD should be',
      plant: () => {
        rmSync(tree.path(PATHS.password));
        mkdirSync(tree.path(PATHS.password));
      },
      exit: 2,
      says: 'not-a-file',
    },
    {
      name: 'a symbolic link in the place of a token file',
      plant: () => {
        rmSync(tree.path(PATHS.token));
        symlinkSync(tree.path(PATHS.tokenCopy), tree.path(PATHS.token));
      },
      exit: 2,
      says: 'not-a-file',
    },
    {
      name: 'a .env that is not UTF-8',
      plant: () =>
        tree.write(PATHS.env, Buffer.concat([Buffer.from(tree.envText()), Buffer.from([0x23, 0xff, 0x0a])])),
      exit: 2,
      says: 'env-file-rejected',
    },
    {
      name: 'a .env that Compose cannot read, in a line that is not ours',
      plant: () => tree.write(PATHS.env, `garbage here\n${tree.envText()}`),
      env: () => ({ COMFYUI_PASSWORD: freshSecret() }),
      exit: 2,
      says: 'env-file-rejected',
    },
    {
      name: 'a password that no reader pair spells alike',
      plant: () => undefined,
      env: () => ({ COMFYUI_PASSWORD: `a'b$c"d\\${freshSecret()}` }),
      exit: 2,
      says: 'unspellable',
    },
  ];

  it.each(refusals)('$name', ({ plant, args = [], env, exit, says }) => {
    plant();
    const before = tree.photograph();
    const ran = tree.runWith({ env: env?.() ?? {} }, 'sync', ...args);
    expect(ran.json.status).toBe('refused');
    expect(found(ran, says).length).toBeGreaterThan(0);
    expect(ran.code).toBe(exit);
    untouched(before);
  });

  it.skipIf(process.platform === 'win32')('a file that this user may not read', () => {
    chmodSync(tree.path(PATHS.env), 0);
    // Root may read everything: then somebody else has to try.
    const nobody = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : undefined;
    if (nobody !== undefined) spawnSync('chown', ['-R', `${nobody.uid}:${nobody.gid}`, tree.root]);
    const ran = runBundle(CLI, ['sync', '--root', tree.root, '--json'], nobody);
    expect(ran.json.findings.map((one: { code: string }) => one.code)).toContain('file-unreadable');
    expect(ran.code).toBe(3);
  });
});

describe('secrets that are handed in and cannot be used end with exit 2', () => {
  const bad: [string, (tree: Deployment) => Record<string, string>, string][] = [
    ['73 bytes', () => ({ COMFYUI_PASSWORD: 'x'.repeat(73) }), 'password-too-long'],
    ['a blank at the end', () => ({ COMFYUI_PASSWORD: `${freshSecret()} ` }), 'password-unusable'],
    ['a placeholder', () => ({ COMFYUI_PASSWORD: 'changeme' }), 'placeholder'],
    ['a hash of 59 characters', (t) => ({ COMFYUI_BEARER_TOKEN: t.bearer.slice(0, 59) }), 'bearer-malformed'],
    ['Bearer before the hash', (t) => ({ COMFYUI_BEARER_TOKEN: `Bearer ${t.bearer}` }), 'bearer-malformed'],
    ['cost 03', (t) => ({ COMFYUI_BEARER_TOKEN: t.bearer.replace('$04$', '$03$') }), 'bearer-malformed'],
    ['cost 32', (t) => ({ COMFYUI_BEARER_TOKEN: t.bearer.replace('$04$', '$32$') }), 'bearer-malformed'],
    [
      'a pair that does not fit',
      (t) => ({ COMFYUI_BEARER_TOKEN: t.bearer, COMFYUI_PASSWORD: freshSecret() }),
      'pair-mismatch',
    ],
    [
      'both the variable and its file',
      (t) => ({ COMFYUI_PASSWORD: t.password, COMFYUI_PASSWORD_FILE: '/dev/null' }),
      'variable-twice',
    ],
    [
      'a file that is not there',
      () => ({ COMFYUI_PASSWORD_FILE: '/nowhere/at/all' }),
      'secret-file-unreadable',
    ],
  ];
  it.each(bad)('%s', (_, env, code) => {
    const before = tree.photograph();
    const given = env(tree);
    const ran = tree.runWith({ env: given }, 'sync');
    expect(ran.json.error?.code).toBe(code);
    expect(ran.code).toBe(2);
    expect(tree.photograph()).toEqual(before);
    const shown = ran.stdout + ran.stderr;
    const values = Object.entries(given).filter(([name]) => !name.endsWith('_FILE'));
    for (const [, value] of values) expect(shown).not.toContain(value.slice(0, 20));
  });

  it('accepts 72 bytes and odd characters', () => {
    const password = `${'é'.repeat(30)}#%=!@(^ 12x`;
    expect(Buffer.byteLength(password)).toBe(72 - 1);
    expect(tree.runWith({ env: { COMFYUI_PASSWORD: password } }, 'sync').json.status).toBe('changed');
  });
});
