import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CLI, cleanEnv, Deployment, found, PATHS, type Ran, runBundle } from './deployment.ts';

let tree: Deployment;
beforeEach(() => {
  tree = new Deployment();
});
afterEach(() => tree.remove());

/** Does what a finding says, in a shell; `comfyui-auth` is the built command. */
function obey(ran: Ran, code: string, cwd = tmpdir()) {
  const remedy = found(ran, code)[0]?.remedy ?? '';
  const script = remedy.replace(/^comfyui-auth /, `'${process.execPath}' '${CLI}' `);
  return spawnSync('sh', ['-c', script], { cwd, env: cleanEnv(), encoding: 'utf8' });
}

describe('the remedy of a key without a value, done as it says, mends it', () => {
  it.each([
    ['a user name that is missing', PATHS.env, /COMFYUI_USERNAME=.*\n/, '', 'key-missing'],
    ['a password that is empty', PATHS.env, /COMFYUI_PASSWORD=.*/, 'COMFYUI_PASSWORD=', 'key-empty'],
    [
      'a password that is a placeholder',
      PATHS.env,
      /COMFYUI_PASSWORD=.*/,
      'COMFYUI_PASSWORD=changeme',
      'placeholder',
    ],
    ['a token file that is empty', PATHS.token, /.*/s, '', 'key-empty'],
    ['a key of another file', PATHS.generated, /.*/s, 'A=b\n', 'key-missing'],
  ])('%s', (_, path, from, to, code) => {
    tree.edit(path, from, to);
    const done = obey(tree.run('audit'), code);
    expect(done.stderr).toBe('');
    expect(done.status).toBe(0);
    expect(tree.run('audit').json.status).toBe('clean');
  });

  it('a key that no part of the credential fills: from the environment', () => {
    tree.edit(PATHS.env, /HF_TOKEN=.*/, 'HF_TOKEN=');
    expect(found(tree.run('audit'), 'key-empty')[0]?.remedy).toContain(' --variable HF_TOKEN ');
  });

  it('a required part that nobody gave: from a file', () => {
    tree.write(
      'comfyui-auth.yml',
      'version: 1\nservices:\n  a:\n    authority: t\n    env: { file: e, required: [COMFYUI_PASSWORD] }\n' +
        '    locations: [{ path: t, kind: token-file, holds: bearer }]\n',
    );
    tree.write('t', tree.bearer);
    tree.write('e', 'A=b\n');
    const [finding] = found(tree.run('sync'), 'key-missing');
    expect(finding?.remedy).toContain(' --password-file FILE');
  });
});

describe('the remedy of a line, done as it says, mends the line and no other', () => {
  it.each(['COMFYUI_LOGIN_ENABLED=', 'export COMFYUI_LOGIN_ENABLED=', '  COMFYUI_LOGIN_ENABLED='])(
    'login-disabled: %s',
    (line) => {
      tree.edit(PATHS.env, 'COMFYUI_LOGIN_ENABLED=true', `${line}false\nNOT_COMFYUI_LOGIN_ENABLED=false`);
      expect(obey(tree.run('audit'), 'login-disabled').status).toBe(0);
      expect(tree.read(PATHS.env)).toContain(`\n${line}true\nNOT_COMFYUI_LOGIN_ENABLED=false\n`);
    },
  );

  it.each(['CORS_ENABLED=', 'export CORS_ENABLED=', '\tCORS_ENABLED=', 'CORS_ENABLED = '])(
    'variable-unread: %j',
    (line) => {
      const before = tree.read(PATHS.env);
      tree.edit(PATHS.env, /^/, `${line}true\n`);
      expect(obey(tree.run('audit'), 'variable-unread').status).toBe(0);
      expect(tree.read(PATHS.env)).toBe(before);
    },
  );

  it('what the guard of the image reads may stand there', () => {
    tree.edit(PATHS.env, /^/, 'MAX_LOGIN_ATTEMPTS=3\nSESSION_EXPIRE_HOURS=24\n');
    expect(found(tree.run('audit'), 'variable-unread')).toEqual([]);
  });
});

describe('a remedy, done in the folder in which the audit was run, acts on the file that is meant', () => {
  it.each(['', 'docker-configurations', '..'])('from root/%s', (folder) => {
    tree.write(PATHS.token, tree.bearer, 0o644);
    const cwd = tree.path(folder);
    const ran = runBundle(CLI, ['audit', '--json', '--root', tree.root], { cwd });
    expect(obey(ran, 'mode-too-open', cwd).stderr).toBe('');
    expect(tree.run('audit').json.status).toBe('clean');
  });

  it.each(['', '..'])('git, from root/%s', (folder) => {
    const git = (...args: string[]) => spawnSync('git', ['-C', tree.root, ...args], { encoding: 'utf8' });
    git('init', '-q');
    git('add', '-f', PATHS.env);
    const cwd = tree.path(folder);
    const ran = runBundle(CLI, ['audit', '--json', '--root', tree.root], { cwd });
    expect(obey(ran, 'tracked-by-git', cwd).stderr).toBe('');
    expect(git('ls-files').stdout).toBe('');
  });
});

it('a remedy, done as it says, uses the layout that was given', () => {
  const layout = tree.path('my layout.yml');
  expect(tree.run('init', '--layout', layout).code).toBe(0);
  tree.edit(PATHS.env, /COMFYUI_USERNAME=.*/, 'COMFYUI_USERNAME=');
  const ran = runBundle(CLI, ['audit', '--json', '--layout', layout]);
  expect(found(ran, 'key-empty')[0]?.remedy).toMatch(/ --layout '.*my layout\.yml'/);
  expect(obey(ran, 'key-empty').status).toBe(0);
  expect(tree.run('audit').json.status).toBe('clean');
});
