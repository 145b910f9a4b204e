import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  CLI,
  cheapHash,
  cleanEnv,
  Deployment,
  found,
  freshSecret,
  PATHS,
  type Ran,
  runBundle,
} from './deployment.ts';
import { expectSilent } from './silence.ts';

let tree: Deployment;
beforeEach(() => {
  tree = new Deployment();
});
afterEach(() => tree.remove());

const posix = process.platform !== 'win32';
const known = () => [tree.password, tree.bearer, ...Object.values(tree.secrets)];
const layout = (text: string) => tree.write('comfyui-auth.yml', `version: 1\nservices:\n${text}`, 0o644);
const instead = (path: string, make: (absolute: string) => void) => {
  rmSync(tree.path(path));
  make(tree.path(path));
};
const fifo = (path: string) => expect(spawnSync('mkfifo', [path]).status).toBe(0);

/** The codes that a run gives, whatever it says them by. */
const codesOf = (ran: Ran): string[] => [
  ...(ran.json.error === undefined ? [] : [ran.json.error.code]),
  ...ran.json.findings.map((one: { code: string }) => one.code),
];

interface Bad {
  name: string;
  plant?: () => void;
  env?: () => Record<string, string>;
  /** What `audit` must say, and how it must end. */
  audit?: readonly [exit: number, code?: string, args?: object];
  /** How `sync` must end: with a refusal that says this, or with everything mended. */
  sync: readonly [exit: 2 | 3 | 5, code: string] | 'mends' | 'nothing to do';
}

/** One bad input through `audit` and `sync`, as JSON and as text: the right words, no secret, no byte changed. */
function survives({ plant, env, audit, sync }: Bad): void {
  plant?.();
  const given = env?.() ?? {};
  const secrets = [...known(), ...Object.values(given).filter((value) => value.length >= 8)];
  const before = tree.photograph();
  const looked = tree.runWith({ env: given }, 'audit');
  const text = runBundle(CLI, ['audit', '--root', tree.root], { env: given });
  expectSilent([looked.stdout, looked.stderr, text.stdout, text.stderr].join('\n'), secrets);
  if (audit !== undefined) {
    const [exit, code, args] = audit;
    if (code !== undefined) expect(codesOf(looked)).toContain(code);
    if (code !== undefined && args !== undefined) expect(found(looked, code)[0]?.args).toMatchObject(args);
    expect([looked.code, text.code]).toEqual([exit, exit]);
  }
  expect(tree.photograph()).toEqual(before);

  const ran = tree.runWith({ env: given }, 'sync');
  expectSilent(ran.stdout + ran.stderr, secrets);
  if (typeof sync === 'string') {
    expect(ran.json, ran.stdout).toMatchObject({ status: sync === 'mends' ? 'changed' : 'unchanged' });
    const after = tree.photograph();
    expect(tree.runWith({ env: given }, 'sync').json.status).toBe('unchanged');
    expect(tree.photograph()).toEqual(after);
    return;
  }
  expect([codesOf(ran).includes(sync[1]), ran.code], ran.stdout).toEqual([true, sync[0]]);
  const after = tree.photograph();
  for (const [path, state] of Object.entries(before)) expect(after[path], path).toBe(state);
}

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
    survives({
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
    expectSilent(ran.stdout + ran.stderr, [...known(), password]);
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
      plant: () => instead(PATHS.env, mkdirSync),
      audit: [1, 'not-a-file'],
      sync: [2, 'not-a-file'],
    },
  ];
  if (posix) {
    const link = (path: string) => symlinkSync(tree.path(PATHS.rootEnv), path);
    envs.push({
      name: 'a FIFO',
      plant: () => instead(PATHS.env, fifo),
      audit: [1, 'not-a-file'],
      sync: [2, 'not-a-file'],
    });
    envs.push({
      name: 'a link',
      plant: () => instead(PATHS.env, link),
      audit: [1, 'not-a-file'],
      sync: [2, 'not-a-file'],
    });
  }
  it.each(envs)('$name', survives);

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

describe('a conf', () => {
  const pair = () => `"raw_token": "${tree.password}", "bcrypt_hash": "${tree.bearer}"`;
  const confs: Bad[] = [
    {
      name: 'CRLF',
      plant: () => tree.write(PATHS.conf, tree.confText().replaceAll('\n', '\r\n')),
      sync: 'nothing to do',
    },
    {
      name: 'with a BOM',
      plant: () => tree.write(PATHS.conf, `\uFEFF${tree.confText()}`),
      sync: 'nothing to do',
    },
    {
      name: 'of shape B',
      plant: () => tree.write(PATHS.conf, tree.confText({ services: { 'comfyui-qwen': { locations: [] } } })),
      sync: 'nothing to do',
    },
    {
      name: 'with names that objects inherit',
      plant: () => tree.write(PATHS.conf, `{"__proto__": {"raw_token": "x"}, "constructor": 1, ${pair()}}`),
      sync: 'nothing to do',
    },
    {
      name: 'with odd locations',
      plant: () => tree.write(PATHS.conf, tree.confText({ locations: { a: 1 } })),
      sync: 'nothing to do',
    },
    {
      name: 'a field twice, the last one wrong',
      plant: () => tree.write(PATHS.conf, `{${pair()}, "bcrypt_hash": "${cheapHash(freshSecret())}"}`),
      env: () => ({ COMFYUI_PASSWORD: tree.password }),
      audit: [1, 'bearer-drift'],
      sync: 'mends',
    },
    {
      name: 'empty',
      plant: () => tree.write(PATHS.conf, ''),
      audit: [1, 'conf-malformed'],
      sync: [2, 'credential-unknown'],
    },
    {
      name: 'an array',
      plant: () => tree.write(PATHS.conf, '[]'),
      audit: [1, 'conf-malformed'],
      sync: [2, 'credential-unknown'],
    },
    {
      name: 'without fields',
      plant: () => tree.write(PATHS.conf, '{}'),
      audit: [1, 'key-missing'],
      sync: [2, 'credential-unknown'],
    },
    {
      name: 'with huge numbers for text',
      plant: () => tree.write(PATHS.conf, '{"raw_token": 1e999, "bcrypt_hash": 12345678901234567890}'),
      audit: [1, 'key-missing'],
      sync: [2, 'credential-unknown'],
    },
    {
      name: 'deeper than any stack',
      plant: () => tree.write(PATHS.conf, '{"a":'.repeat(100_000)),
      audit: [1, 'conf-malformed'],
      sync: [2, 'credential-unknown'],
    },
    {
      name: 'not UTF-8',
      plant: () =>
        tree.write(
          PATHS.conf,
          Buffer.concat([Buffer.from(`{"d": "`), Buffer.from([0xe9]), Buffer.from(`", ${pair()}}`)]),
        ),
      env: () => ({ COMFYUI_PASSWORD: freshSecret() }),
      audit: [1, 'conf-malformed'],
      sync: [2, 'conf-malformed'],
    },
    {
      name: 'in a folder that is a file',
      plant: () => {
        rmSync(tree.path('.secrets'), { recursive: true });
        tree.write('.secrets', '');
      },
      sync: 'nothing to do',
    },
  ];
  it.each(confs)('$name', survives);

  it('cut off at each byte is malformed, and nothing is written', () => {
    const whole = Buffer.from(tree.confText());
    const services: string[] = [];
    for (let bytes = 0; bytes < whole.length - 1; bytes++) {
      tree.write(`c/${bytes}.conf`, whole.subarray(0, bytes));
      services.push(`  s${bytes}: { authority: c/${bytes}.conf }\n`);
    }
    layout(services.join(''));
    const before = tree.photograph();
    const audit = tree.run('audit');
    expect(found(audit, 'conf-malformed')).toHaveLength(whole.length - 1);
    const sync = tree.run('sync');
    expect([audit.code, sync.code]).toEqual([1, 2]);
    expectSilent(audit.stdout + audit.stderr + sync.stdout + sync.stderr, known());
    expect(tree.photograph()).toEqual(before);
  });
});

describe('a PASSWORD file', () => {
  const passwords: Bad[] = [
    {
      name: 'of one line',
      plant: () => tree.write(PATHS.password, tree.bearer),
      audit: [1, 'password-file-malformed', { hint: 'no-username' }],
      sync: 'mends',
    },
    {
      name: 'of three lines',
      plant: () => tree.write(PATHS.password, `${tree.bearer}\nadmin\nx`),
      audit: [0, 'password-file-malformed', { hint: 'extra-lines' }],
      sync: 'mends',
    },
    {
      name: 'CRLF',
      plant: () => tree.write(PATHS.password, `${tree.bearer}\r\nadmin`),
      audit: [1, 'password-file-malformed', { hint: 'crlf' }],
      sync: 'mends',
    },
    {
      name: 'empty',
      plant: () => tree.write(PATHS.password, ''),
      audit: [1, 'password-file-malformed', { hint: 'empty' }],
      sync: 'mends',
    },
    {
      name: 'missing though it is listed',
      plant: () =>
        instead(PATHS.password, () =>
          tree.write(PATHS.conf, tree.confText({ locations: [{ path: `/x/${PATHS.password}` }] })),
        ),
      audit: [1, 'password-file-missing'],
      sync: 'mends',
    },
    {
      name: 'a folder',
      plant: () => instead(PATHS.password, mkdirSync),
      audit: [1, 'not-a-file'],
      sync: [2, 'not-a-file'],
    },
  ];
  if (posix) {
    const link = (path: string) => symlinkSync(tree.path(PATHS.token), path);
    passwords.push(
      {
        name: 'a FIFO',
        plant: () => instead(PATHS.password, fifo),
        audit: [1, 'not-a-file'],
        sync: [2, 'not-a-file'],
      },
      {
        name: 'a link',
        plant: () => instead(PATHS.password, link),
        audit: [1, 'not-a-file'],
        sync: [2, 'not-a-file'],
      },
    );
  }
  it.each(passwords)('$name', survives);
});
