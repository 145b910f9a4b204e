import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CLI, cheapHash, cleanEnv, Deployment, found, freshSecret, PATHS, runBundle } from './deployment.ts';
import { expectSilent } from './silence.ts';
import { knownSecrets } from './survives.ts';

let tree: Deployment;
beforeEach(() => {
  tree = new Deployment();
});
afterEach(() => tree.remove());

const posix = process.platform !== 'win32';

const layout = (text: string) => tree.write('comfyui-auth.yml', `version: 1\nservices:\n${text}`, 0o644);
const drift = () => tree.write(PATHS.token, cheapHash(freshSecret()));

/** Runs a line of shell in which `$CLI` is the command and `$ROOT` the deployment. */
function shell(line: string, env: Record<string, string> = {}) {
  const { status, stdout, stderr } = spawnSync('bash', ['-c', line], {
    env: cleanEnv({ CLI: `${process.execPath} ${CLI}`, ROOT: tree.root, ...env }),
    encoding: 'utf8',
    timeout: 55_000,
  });
  expectSilent(stdout + stderr, knownSecrets(tree));
  return { code: status, stdout, stderr };
}

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
      expectSilent(ran.stdout + ran.stderr, knownSecrets(tree));
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
      expectSilent(ran.stdout + ran.stderr, knownSecrets(tree));
      expect(tree.read(PATHS.token)).toBe(before);
    }
    const ran = runBundle(CLI, ['sync', '--json', '--root', tree.root], {
      env: { COMFYUI_AUTH_STATE: 'here/state' },
      cwd: tree.root,
    });
    expect([ran.json.status, ran.code]).toEqual(['error', 2]);
    expect(existsSync(tree.path('here'))).toBe(false);
    expect(tree.read(PATHS.token)).toBe(before);
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
