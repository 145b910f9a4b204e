import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, readdirSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CLI, cheapHash, cleanEnv, Deployment, found, freshSecret, PATHS, runBundle } from './deployment.ts';
import { expectSilent } from './silence.ts';

let tree: Deployment;
beforeEach(() => {
  tree = new Deployment();
});
afterEach(() => tree.remove());

const posix = process.platform !== 'win32';
const known = () => [tree.password, tree.bearer, ...Object.values(tree.secrets)];
const layout = (text: string) => tree.write('comfyui-auth.yml', `version: 1\nservices:\n${text}`, 0o644);
const drift = () => tree.write(PATHS.token, cheapHash(freshSecret()));

/** Runs a line of shell in which `$CLI` is the command and `$ROOT` the deployment. */
function shell(line: string, env: Record<string, string> = {}) {
  const { status, stdout, stderr } = spawnSync('bash', ['-c', line], {
    env: cleanEnv({ CLI: `${process.execPath} ${CLI}`, ROOT: tree.root, ...env }),
    encoding: 'utf8',
    timeout: 55_000,
  });
  expectSilent(stdout + stderr, known());
  return { code: status, stdout, stderr };
}

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
      expectSilent(ran.stdout + ran.stderr, known());
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

describe('odd places', () => {
  it.each(['a b', "it's", 'a\nb', 'a"b$c', '::error::x', '-x'])('a folder called %j', (name) => {
    mkdirSync(tree.path(name));
    tree.write(`${name}/compose.yml`, 'services: { comfyui: {} }\n');
    tree.write(`${name}/.env`, tree.envText("'x'"));
    const folder = tree.path(name);
    expect(runBundle(CLI, ['audit', '--root', folder, '--json']).code).toBe(1);
    expect(runBundle(CLI, ['sync', '--root', folder, '--json']).json.status).toBe('changed');
    expect(runBundle(CLI, ['sync', '--root', folder, '--json']).json.status).toBe('unchanged');
    expect(runBundle(CLI, ['audit', '--root', folder]).code).toBe(0);
  });

  it('a root that is a link: to a folder, to a file, to itself, to nothing', () => {
    drift();
    const link = (goal: string) => {
      rmSync(tree.path('link'), { force: true });
      symlinkSync(goal, tree.path('link'));
      return runBundle(CLI, ['sync', '--json', '--root', tree.path('link')]);
    };
    expect(link(tree.root).json.status).toBe('changed');
    for (const goal of [tree.path(PATHS.token), tree.path('link'), '/nowhere/at/all']) {
      const ran = link(goal);
      expect([ran.json.status, ran.code]).toEqual(['error', 2]);
      expectSilent(ran.stdout + ran.stderr, known());
    }
  });

  it('a state folder that is a file, a link, or relative', () => {
    drift();
    const before = tree.read(PATHS.token);
    tree.write('state', 'x');
    symlinkSync(tree.root, tree.path('state-link'));
    for (const name of ['state', 'state-link', 'state/in']) {
      const ran = tree.runWith({ env: { COMFYUI_AUTH_STATE: tree.path(name) } }, 'sync');
      expect(ran.json.status).toBe('error');
      expectSilent(ran.stdout + ran.stderr, known());
      expect(tree.read(PATHS.token)).toBe(before);
    }
    const ran = runBundle(CLI, ['sync', '--json', '--root', tree.root], {
      env: { COMFYUI_AUTH_STATE: 'here/state' },
      cwd: tree.root,
    });
    expect(ran.json.status).toBe('changed');
    expect(statSync(tree.path('here/state')).mode & 0o777).toBe(0o700);
    expect(existsSync(tree.path('.comfyui-auth'))).toBe(false);
  });

  it('init names paths from where the layout will stand', () => {
    mkdirSync(tree.path('other'));
    expect(tree.run('init', '--layout', tree.path('other/l.yml')).code).toBe(2);
    expect(readdirSync(tree.path('other'))).toEqual([]);
  });

  it.skipIf(!posix || process.getuid?.() !== 0)(
    'a root that may not be written, or not be looked into',
    () => {
      drift();
      const before = tree.photograph();
      chmodSync(tree.root, 0o755);
      const nobody = { uid: 65_534, gid: 65_534 };
      const sync = runBundle(CLI, ['sync', '--json', '--root', tree.root], nobody);
      expect([sync.code, sync.json.findings[0]?.code]).toEqual([3, 'file-unreadable']);
      const chown = spawnSync('chown', [
        '-R',
        '65534:65534',
        ...Object.values(PATHS).map((path) => tree.path(path)),
      ]);
      expect(chown.status).toBe(0);
      spawnSync('chmod', ['a+rx', ...['.secrets', 'docker-configurations'].map((path) => tree.path(path))]);
      expect(runBundle(CLI, ['sync', '--json', '--root', tree.root], nobody).code).toBe(5);
      chmodSync(tree.path('.secrets'), 0);
      const audit = runBundle(CLI, ['audit', '--json', '--root', tree.root], nobody);
      expect(found(audit, 'file-unreadable').length).toBeGreaterThan(0);
      chmodSync(tree.path('.secrets'), 0o700);
      expect(Object.keys(tree.photograph())).toEqual(Object.keys(before));
    },
  );
});

describe.skipIf(!posix)('odd environments', () => {
  it.each(['000', '077'])('umask %s: what is written is closed to others', (mask) => {
    drift();
    expect(shell(`umask ${mask}; $CLI sync --root "$ROOT" --json`).code).toBe(0);
    const modes = (path: string) => statSync(tree.path(path)).mode & 0o777;
    expect(modes('.comfyui-auth')).toBe(0o700);
    const kept = readdirSync(tree.path('.comfyui-auth'), { recursive: true, withFileTypes: true });
    for (const one of kept) expect(statSync(`${one.parentPath}/${one.name}`).mode & 0o077, one.name).toBe(0);
    expect(modes(PATHS.token)).toBe(0o600);
    expect(shell(`umask ${mask}; $CLI init --root "$ROOT" --quiet`).code).toBe(0);
    expect(modes('comfyui-auth.yml')).toBe(0o644);
  });

  const lines: [name: string, line: string, env: Record<string, string>][] = [
    ['no HOME', 'unset HOME; $CLI audit --root "$ROOT"', {}],
    ['no PATH', `PATH=/nowhere; $CLI audit --root "$ROOT"`, {}],
    ['a proxy', '$CLI audit --root "$ROOT"', { HTTP_PROXY: 'http://127.0.0.1:1', NODE_USE_ENV_PROXY: '1' }],
    [
      'a talkative Node',
      '$CLI audit --root "$ROOT"',
      { NODE_OPTIONS: '--trace-warnings --pending-deprecation' },
    ],
    [
      'the repository of a git hook',
      '$CLI audit --root "$ROOT"',
      { GIT_DIR: '/nowhere', GIT_WORK_TREE: '/nowhere' },
    ],
    ['a reader that goes away', 'set -o pipefail; $CLI audit --root "$ROOT" | head -1', {}],
    ['stdout closed', '$CLI audit --root "$ROOT" >&-', {}],
    ['stdin closed', '$CLI audit --root "$ROOT" <&-', {}],
  ];
  it.each(lines)('%s changes nothing of the result', (_, line, env) => {
    const ran = shell(line, env);
    expect([ran.code, ran.stderr]).toEqual([0, '']);
  });

  it('a result that is lost is no success; a message that is lost changes no exit code', () => {
    expect(shell('$CLI audit --root "$ROOT" --json >/dev/full').code).toBe(3);
    expect(shell('$CLI audit --root /nowhere 2>&-').code).toBe(2);
    const late = '$CLI probe --root "$ROOT" --url http://127.0.0.1:1 --timeout 300ms 2> >(exec true)';
    expect(shell(late).code).toBe(3);
  });

  it.each([[], ['audit', 'x'], ['frob'], ['explain'], ['audit', '--frob'], ['sync', '--variable', '1']])(
    '--json is one object for %j',
    (...args) => {
      const ran = runBundle(CLI, [...args, '--json', ...(args.length > 0 ? ['--root', tree.root] : [])]);
      expect(ran.json).toMatchObject({ status: 'error', exitCode: 2, error: { remedy: expect.any(String) } });
      expect(ran.code).toBe(2);
    },
  );

  it('a folder that is gone', () => {
    const ran = shell('mkdir "$ROOT/gone"; cd "$ROOT/gone"; rmdir "$ROOT/gone"; $CLI audit --json');
    expect(JSON.parse(ran.stdout).error.code).toBe('folder-gone');
  });
});

describe('git', () => {
  const git = (...args: string[]) => expect(spawnSync('git', ['-C', tree.root, ...args]).status).toBe(0);

  it('is asked for what it tracks by whatever way the root is named, and whatever lies outside', () => {
    git('init', '-q');
    git('add', '-f', PATHS.env);
    const link = `${tree.root}-link`;
    symlinkSync(tree.root, link);
    const tracked = (root: string) =>
      found(runBundle(CLI, ['audit', '--json', '--root', root]), 'tracked-by-git').length;
    expect([tracked(tree.root), tracked(link)]).toEqual([1, 1]);
    rmSync(link);
    const outside = `{ path: ${tree.root}.token, kind: token-file, holds: bearer, outside: true }`;
    layout(`  a: { env: { file: ${PATHS.env} }, locations: [${outside}] }\n`);
    expect(tracked(tree.root)).toBe(1);
  });
});

describe('more than one at a time', () => {
  it('20 syncs end well or say that it is locked, and the files agree', async () => {
    drift();
    tree.edit(PATHS.env, 'COMFYUI_USERNAME=admin', 'COMFYUI_USERNAME=');
    const one = async () => {
      const child = spawn(process.execPath, [CLI, 'sync', '--json', '--root', tree.root], {
        env: cleanEnv(),
      });
      let stdout = '';
      child.stdout.on('data', (chunk) => {
        stdout += chunk;
      });
      const [code] = await once(child, 'close');
      const { status, error } = JSON.parse(stdout);
      return `${code} ${error?.code ?? status}`;
    };
    const ends = new Set(await Promise.all(Array.from({ length: 20 }, one)));
    expect(ends).toContain('0 changed');
    for (const end of ends)
      expect(['0 changed', '0 unchanged', '3 locked', '3 journal-pending']).toContain(end);
    expect(tree.run('audit').json.status).toBe('clean');
  });

  // Ends the process itself in front of the nth rename, as a kill would.
  const bomb = `const fs = require('node:fs'); const { renameSync } = fs; let left = +process.env.RENAMES;
fs.renameSync = (...names) => { if (left-- <= 0) process.kill(process.pid, 'SIGKILL'); return renameSync(...names); };`;
  it.skipIf(!posix)('a kill at each rename is reported by audit, and mended by sync', () => {
    tree.write('bomb.cjs', bomb);
    drift();
    const old = tree.read(PATHS.token);
    tree.write(PATHS.tokenCopy, old);
    const env = (renames: number) => ({
      NODE_OPTIONS: `--require ${tree.path('bomb.cjs')}`,
      RENAMES: String(renames),
    });
    let pending = 0;
    for (let renames = 0; tree.runWith({ env: env(renames) }, 'sync').code === null; renames++) {
      expect(renames).toBeLessThan(20);
      const journal = existsSync(tree.path('.comfyui-auth/journal.json'));
      const before = tree.photograph();
      const audit = tree.run('audit');
      expect([found(audit, 'journal-pending').length, audit.code]).toEqual([journal ? 1 : 0, 1]);
      expect(tree.run('sync', '--dry-run').json.findings[0]?.code === 'journal-pending').toBe(journal);
      expect(tree.photograph()).toEqual(before);
      expect(tree.run('sync').code).toBe(0);
      expect([tree.read(PATHS.token), tree.read(PATHS.tokenCopy)]).toEqual([tree.bearer, tree.bearer]);
      expect(tree.run('audit').json.status).toBe('clean');
      pending += Number(journal);
      tree.write(PATHS.token, old);
      tree.write(PATHS.tokenCopy, old);
    }
    expect(pending).toBeGreaterThan(3);
  });
});
