import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { cheapHash, Deployment, freshPassword, UNPROVEN } from './entrypoint-harness.ts';

let deployment: Deployment;
beforeEach(async () => {
  deployment = await Deployment.make();
  writeFileSync(deployment.password, `${cheapHash(freshPassword())}\nada`);
});
afterEach(() => deployment.remove());

const entrypoint = (...args: string[]) =>
  spawnSync(process.execPath, deployment.argv(...args), { env: deployment.env(), encoding: 'utf8' });

describe('usage', () => {
  test.each([
    [[]],
    [['start']],
    [['run', 'python']],
    [['run', '--']],
    [['healthcheck', '--alive']],
    [['--unknown']],
  ])('%j is wrong: 64', (args) => {
    const { status, stderr } = entrypoint(...args);
    expect(status).toBe(64);
    expect(stderr).toMatch(/^usage: /);
  });

  test('what was typed is not repeated: it may be a secret', () => {
    const secret = freshPassword();
    const { stdout, stderr } = entrypoint(secret);
    expect(stdout + stderr).not.toContain(secret);
  });

  test('--help and --version', () => {
    expect(entrypoint('--help')).toMatchObject({ status: 0, stdout: expect.stringContaining('run [--') });
    expect(entrypoint('--version')).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/),
    });
  });
});

describe('a setting that cannot be meant is refused (78), by its name and with a remedy', () => {
  test.each<[string, Record<string, string>, RegExp]>([
    [
      'login off',
      { COMFYUI_LOGIN_ENABLED: 'false' },
      /COMFYUI_LOGIN_ENABLED is false.*ALLOW_OPEN=yes-i-know/,
    ],
    ['login off, wrong word', { COMFYUI_LOGIN_ENABLED: 'no', ALLOW_OPEN: 'true' }, /ALLOW_OPEN=yes-i-know/],
    ['no boolean', { GUEST_MODE_ENABLED: 'maybe' }, /GUEST_MODE_ENABLED is neither true nor false/],
    ['no port', { COMFYUI_PORT: '70000' }, /COMFYUI_PORT is no whole number/],
    ['no duration', { VERIFY_TIMEOUT: 'soon' }, /VERIFY_TIMEOUT is no span of time/],
    ['no format', { LOG_FORMAT: 'xml' }, /LOG_FORMAT is none of text, json/],
    ['an open quote', { COMFYUI_ARGS: "--listen '0.0.0.0" }, /COMFYUI_ARGS has a quote that is never closed/],
    ['a relative folder', { COMFYUI_DIR: 'ComfyUI' }, /COMFYUI_DIR is no absolute path/],
    ['no folder', { COMFYUI_DIR: '/nowhere/ComfyUI' }, /COMFYUI_DIR: \/nowhere\/ComfyUI is no folder/],
    ['any origin', { COMFYUI_CORS_ORIGIN: '*' }, /COMFYUI_CORS_ORIGIN is not one origin/],
    ['an origin with a path', { COMFYUI_CORS_ORIGIN: 'https://ui.example/x' }, /COMFYUI_CORS_ORIGIN/],
    ['a group alone', { COMFYUI_GID: '1000' }, /COMFYUI_GID is set without COMFYUI_UID/],
    ['a way out that is none', { EXPOSE_MODE: 'tunnel' }, /EXPOSE_MODE is none of direct, relay/],
    ['a budget in words', { RESTART_BUDGET: 'many' }, /RESTART_BUDGET is no number of restarts/],
    ['a budget in no time', { RESTART_BUDGET: '5 in a while' }, /RESTART_BUDGET is no number of restarts/],
    ['a pause that shrinks', { RESTART_BACKOFF: '30s..1s' }, /RESTART_BACKOFF is no pause/],
    ['a time for a request that is none', { API_TIMEOUT: '0' }, /API_TIMEOUT is no span of time/],
    ['a word for a switch', { VERBOSE_LOGGING: 'loud' }, /VERBOSE_LOGGING is neither true nor false/],
    [
      'a missing secret file',
      { COMFYUI_PASSWORD_FILE: '/nowhere/pw' },
      /COMFYUI_PASSWORD_FILE names \/nowhere\/pw, which is not there/,
    ],
    [
      'a folder as secret file',
      { COMFYUI_PASSWORD_FILE: '/tmp' },
      /COMFYUI_PASSWORD_FILE names \/tmp, which is a folder/,
    ],
    ['a user name of two lines', { COMFYUI_USERNAME: 'a\nb' }, /COMFYUI_USERNAME/],
    ['73 bytes', { COMFYUI_PASSWORD: 'x'.repeat(73) }, /COMFYUI_PASSWORD has more than 72 bytes/],
    [
      'a blank at the end',
      { COMFYUI_PASSWORD: 'trailing-blank ' },
      /COMFYUI_PASSWORD begins or ends with white space/,
    ],
    ['TLS', { COMFYUI_ARGS: '--tls-certfile a --tls-keyfile b' }, /--tls-certfile/],
  ])('%s', async (_, env, diagnosis) => {
    const { code, output } = await deployment.end(['run'], env);
    expect(output).toMatch(diagnosis);
    expect(output).toMatch(/Remedy: \S/);
    expect(code).toBe(78);
  });

  test('what has no effect is named, and nothing more', async () => {
    const env = { CORS_ENABLED: 'true', MAX_LOGIN_ATTEMPTS: '3', COMFYUI_ARGS: '--cpu' };
    const { code, output } = await deployment.end(['run', '--', 'true'], env);
    expect(code).toBe(UNPROVEN);
    expect(output).toMatch(/warning: CORS_ENABLED has no effect/);
    expect(output).toMatch(/warning: MAX_LOGIN_ATTEMPTS is not read/);
    expect(output).toMatch(/warning: COMFYUI_ARGS is not used/);
  });
});

describe('a login node that ComfyUI would not load is refused before the start (78)', () => {
  const refused = async (diagnosis: RegExp, env: Record<string, string> = {}, args = ['run']) => {
    const { code, output } = await deployment.end(args, env);
    expect(output).toMatch(diagnosis);
    expect(output).not.toMatch(/^starting/m);
    expect(code).toBe(78);
  };

  test('PASSWORD is a folder', async () => {
    rmSync(deployment.password);
    mkdirSync(deployment.password);
    await refused(/PASSWORD is a folder, not a file.*its source is missing on the host/);
  });

  test('PASSWORD is a symbolic link', async () => {
    renameSync(deployment.password, join(deployment.folder, 'elsewhere'));
    symlinkSync(join(deployment.folder, 'elsewhere'), deployment.password);
    await refused(/PASSWORD is a symbolic link/);
  });

  test('the old PASSWORD is a folder', async () => {
    mkdirSync(join(deployment.comfyui, 'PASSWORD'));
    await refused(/ComfyUI\/PASSWORD is a folder/);
  });

  test.each([
    ['empty', '', /is empty/],
    ['a time zone', `${'A'.repeat(43)}=,2026-01-01T00:00:00+00:00`, /date with a time zone/],
    ['no Fernet key', 'short,2026-01-01T00:00:00', /holds no Fernet key/],
    ['no date', `${'A'.repeat(43)}=`, /has no date/],
    ['a date that is none', `${'A'.repeat(43)}=,yesterday`, /cannot be read/],
  ])('session key: %s', async (_, content, diagnosis) => {
    writeFileSync(deployment.key, content);
    await refused(diagnosis);
  });

  test('absent', async () => {
    rmSync(deployment.node, { recursive: true });
    await refused(/ComfyUI-Login is not installed/);
  });

  test('disabled by its name', async () => {
    renameSync(deployment.node, `${deployment.node}.disabled`);
    await refused(/is disabled.*Remedy: mv /);
  });

  test('without its __init__.py', async () => {
    rmSync(join(deployment.node, '__init__.py'));
    await refused(/has no __init__\.py/);
  });

  test.each([['--base-directory'], ['--base-dir']])('%s moves the custom nodes away', async (option) => {
    const base = join(deployment.folder, 'base');
    mkdirSync(join(base, 'custom_nodes'), { recursive: true });
    await refused(/the login node stands in .*custom_nodes\/ComfyUI-Login/, {
      COMFYUI_ARGS: `${option} '${base}'`,
    });
    await refused(/the login node stands in/, {}, ['run', '--', 'python3', 'main.py', `${option}=${base}`]);
  });

  test('--disable-all-custom-nodes, unless it is on the white list', async () => {
    await refused(/--disable-all-custom-nodes keeps/, { COMFYUI_ARGS: '--disable-all-custom-nodes' });
    const listed = '--disable-all-custom-nodes --whitelist-custom-nodes Other ComfyUI-Login';
    const running = deployment.start(['run'], { COMFYUI_ARGS: listed });
    await running.said(/^ready/m);
    expect(await running.stop()).toBe(0);
  });

  test('found below another name, and in a folder of extra_model_paths.yaml', async () => {
    const other = join(deployment.folder, 'nodes');
    mkdirSync(other);
    renameSync(deployment.node, join(other, 'login-of-ours'));
    writeFileSync(
      join(deployment.comfyui, 'extra_model_paths.yaml'),
      `mine:\n  base_path: ${deployment.folder}\n  custom_nodes: nodes # more\n`,
    );
    const { code } = await deployment.end(['run', '--', 'true']);
    expect(code).toBe(UNPROVEN);
  });

  test.each([
    [
      'a package is missing',
      { imports: { bcrypt: "ModuleNotFoundError: No module named 'bcrypt'" } },
      /cannot import.*'bcrypt'.*pip install 'bcrypt'/,
    ],
    [
      'a file does not compile',
      { files: { 'password.py': 'SyntaxError: invalid syntax' } },
      /password\.py cannot be loaded/,
    ],
    ['no key can be made', { keyCanBeMade: false }, /cannot make \.secret-key\.txt/],
  ])('Python says that %s', async (_, answer, diagnosis) => {
    const line = JSON.stringify({ imports: {}, files: {}, keyCanBeMade: true, ...answer });
    writeFileSync(join(deployment.folder, 'answer'), line);
    deployment.setPython(`cat '${join(deployment.folder, 'answer')}'`);
    await refused(diagnosis);
  });

  test('Python gives no answer', async () => {
    deployment.setPython('echo broken >&2; exit 3');
    await refused(/gave no answer \(exit 3\) broken/);
  });

  test('something listens at the port already', async () => {
    const server = createServer((socket) => socket.destroy()).listen(deployment.port, '127.0.0.1');
    await once(server, 'listening');
    await refused(/something listens at/);
    server.close();
  });
});

test('a Python that is not there ends in 127, one that may not be run in 126', async () => {
  const missing = await deployment.end(['run'], { COMFYUI_PYTHON: '/nowhere/python' });
  expect(missing).toMatchObject({
    code: 127,
    output: expect.stringContaining('/nowhere/python is not there'),
  });
  const file = join(deployment.folder, 'not-executable');
  writeFileSync(file, '');
  expect((await deployment.end(['run'], { COMFYUI_PYTHON: file })).code).toBe(126);
});
