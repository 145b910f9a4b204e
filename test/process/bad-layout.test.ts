import { mkdirSync, readdirSync, symlinkSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CLI, cheapHash, Deployment, found, freshSecret, PATHS, runBundle } from './deployment.ts';
import { expectSilent } from './silence.ts';
import { knownSecrets } from './survives.ts';

let tree: Deployment;
beforeEach(() => {
  tree = new Deployment();
});
afterEach(() => tree.remove());

const layout = (text: string) => tree.write('comfyui-auth.yml', `version: 1\nservices:\n${text}`, 0o644);

describe('a layout that would do harm', () => {
  const env = `env: { file: ${PATHS.env} }`;
  const wrong: [name: string, text: string, says: RegExp][] = [
    [
      'one file as .env and as token',
      `  a: { ${env}, locations: [{ path: ${PATHS.env}, kind: token-file, holds: bearer }] }\n`,
      /declared as/,
    ],
    [
      'one token as bearer and as password',
      '  a: { locations: [{ path: t, kind: token-file, holds: bearer }, { path: t, kind: token-file, holds: password }] }\n',
      /declared as/,
    ],
    [
      'one file as conf and as PASSWORD',
      `  a: { locations: [{ path: ${PATHS.conf}, kind: conf-json }] }\n  b: { locations: [{ path: ${PATHS.conf}, kind: password-file }] }\n`,
      /declared as/,
    ],
    [
      'one key as password and as bearer',
      `  a: { ${env}, locations: [{ path: ${PATHS.env}, kind: env-key, key: COMFYUI_PASSWORD, holds: bearer }] }\n`,
      /COMFYUI_PASSWORD in .* declared as/,
    ],
    [
      'the layout itself as a location',
      '  a: { locations: [{ path: comfyui-auth.yml, kind: token-file, holds: bearer }] }\n',
      /declared as the layout/,
    ],
    ['a .env for an authority, without a key', `  a: { ${env}, authority: .env }\n`, /is a \.env/],
    ['aliases that multiply', '  a: &a { b: [x, x] }\n  b: &b [*a, *a]\n  c: [*b, *b]\n', /an alias/],
    ['an alias to nothing', '  a: *nothing\n', /an alias/],
    ['a key that is a list', '  ? [a, b]\n  : {}\n', /a key that is no text/],
    ['a service called __proto__', `  __proto__: { ${env} }\n`, /pattern/],
    ['numbers for text', '  a: { env: { file: 1 } }\n', /type "number"/],
    [
      'a kind that objects inherit',
      '  a: { locations: [{ path: x, kind: constructor }] }\n',
      /does not match any/,
    ],
    ['a NUL in a path', '  a: { locations: [{ path: "a\\0b", kind: password-file }] }\n', /pattern/],
    [
      'a command without a program',
      '  a: { restart: { driver: command, command: [""] } }\n',
      /command\/0: String is too short/,
    ],
    ['a NUL in a command', '  a: { restart: { driver: command, command: [x, "a\\0b"] } }\n', /pattern/],
    [
      'a stop without a program',
      '  a: { restart: { driver: command, command: [x], stop: [""] } }\n',
      /stop\/0: String is too short/,
    ],
    ['too deep', `  a: ${'['.repeat(20_000)}\n`, /nests too deep/],
  ];
  it.each(wrong)('%s', (_, text, says) => {
    layout(text);
    const before = tree.photograph();
    for (const command of ['audit', 'sync']) {
      const ran = tree.runWith({ env: { COMFYUI_PASSWORD: tree.password } }, command);
      expect(ran.json.error, ran.stdout).toMatchObject({ code: 'layout-invalid' });
      expect(ran.json.error.message).toMatch(says);
      expect(ran.code).toBe(2);
      expectSilent(ran.stdout + ran.stderr, knownSecrets(tree));
    }
    expect(tree.photograph()).toEqual(before);
  });

  it('keys that objects inherit are keys like others', () => {
    layout(
      `  constructor: { authority: ${PATHS.conf}, env: { file: ${PATHS.env}, required: [constructor, __proto__] } }\n`,
    );
    expect(found(tree.run('audit'), 'key-missing').map((one) => one.location?.key)).toContain('constructor');
    const refused = tree.run('sync');
    expect([refused.code, refused.json.status]).toEqual([2, 'refused']);
    for (const name of ['constructor', '__proto__', 'toString'])
      expect(tree.run('sync', '--variable', name).json.error?.code).toBe('variable-unusable');
    const env = { constructor: freshSecret(), ['__proto__']: freshSecret() };
    const ran = tree.runWith({ env }, 'sync', '--variable', 'constructor', '--variable', '__proto__');
    expect([ran.code, ran.stdout]).toEqual([env.constructor === undefined ? 2 : ran.code, ran.stdout]);
  });

  it('two services that fight over one file are refused, whatever it holds', () => {
    const other = freshSecret();
    tree.write('b.conf', JSON.stringify({ raw_token: other, bcrypt_hash: cheapHash(other) }));
    const shared = 'locations: [{ path: shared, kind: token-file, holds: bearer }]';
    layout(`  a: { authority: ${PATHS.conf}, ${shared} }\n  b: { authority: b.conf, ${shared} }\n`);
    for (const holds of [tree.bearer, JSON.parse(tree.read('b.conf')).bcrypt_hash, 'neither']) {
      tree.write('shared', holds);
      expect(tree.run('sync')).toMatchObject({ code: 2, json: { error: { code: 'not-understood' } } });
      expect(tree.read('shared')).toBe(holds);
    }
  });

  it('two services with keys of their own in one .env', () => {
    const other = freshSecret();
    tree.write('b.conf', JSON.stringify({ raw_token: other, bcrypt_hash: cheapHash(other) }));
    layout(
      `  a: { authority: ${PATHS.conf}, env: { file: shared.env } }\n` +
        '  b: { authority: b.conf, env: { file: shared.env, keys: { B_PASSWORD: password, B_TOKEN: bearer } } }\n',
    );
    expect(tree.run('sync').json.status).toBe('changed');
    expect(tree.run('sync').json.status).toBe('unchanged');
    expect(tree.run('audit').json.status).toBe('clean');
  });

  it('one file by two ways is never half written', () => {
    mkdirSync(tree.path('d'));
    symlinkSync(tree.path('d'), tree.path('e'));
    tree.write('d/t', 'old');
    const at = (path: string) => `{ path: ${path}, kind: token-file, holds: bearer }`;
    layout(`  a: { authority: ${PATHS.conf}, locations: [${at('d/t')}, ${at('e/t')}] }\n`);
    const ran = tree.run('sync');
    expect(ran.code).toBeGreaterThan(1);
    expect([tree.read('d/t'), readdirSync(tree.path('d'))]).toEqual(['old', ['t']]);
  });

  it('an address with a password in it goes nowhere', () => {
    const secret = freshSecret();
    for (const url of [`http://u:${secret}@h/`, `http://h?token=${secret}`, `http://u:a/${secret}@h`]) {
      tree.edit(PATHS.env, /COMFYUI_(PORT|URL)=.*/, `COMFYUI_URL=${url}`);
      for (const args of [['init', '--dry-run'], ['probe', '--timeout', '200ms'], ['audit']]) {
        const ran = runBundle(CLI, [...args, '--root', tree.root]);
        expectSilent(ran.stdout + ran.stderr, [secret]);
      }
    }
  });

  it('the name of a discovered service is quoted in what to do', () => {
    tree.write('p/compose.yml', 'services:\n  "a; $(b)":\n    container_name: comfy\n');
    tree.write('p/.env', tree.envText("'short'"));
    const ran = runBundle(CLI, ['audit', '--root', tree.path('p')]);
    expect(ran.stdout).toContain("--service 'a; $(b)'");
    expect(runBundle(CLI, ['init', '--root', tree.path('p')]).code).toBe(2);
  });
});
