import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startStandIn } from '../../src/stand-in/server.ts';
import { layComfyUi } from '../../src/stand-in/tree.ts';
import { CLI, cleanEnv, Deployment, found, freshSecret, PATHS, runBundle } from './deployment.ts';

let tree: Deployment;
beforeEach(() => {
  tree = new Deployment();
});
afterEach(() => tree.remove());

describe('the command line', () => {
  it('says its version, and what it can do', () => {
    expect(runBundle(CLI, ['--version']).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
    const help = runBundle(CLI, ['--help']);
    for (const command of ['audit', 'sync', 'probe', 'explain', 'init', 'demo'])
      expect(help.stdout).toContain(command);
    expect(help.code).toBe(0);
    expect(runBundle(CLI, ['sync', '--help']).stdout).toContain('--password-file');
  });

  const wrong = [
    ['no command', []],
    ['an unknown command', ['frobnicate']],
    ['an unknown option', ['audit', '--pasword']],
    ['a number that is none', ['probe', '--rounds', 'many']],
    ['an unknown severity', ['audit', '--fail-on', 'blue']],
    ['an unknown reader', ['explain', 'x', '--reader', 'emacs']],
    ['a folder that is not there', ['audit', '--root', '/nowhere/at/all']],
    ['a layout that is not there', ['audit', '--layout', '/nowhere/at/all.yml']],
    ['one argument too many', ['audit', 'more']],
  ] as const;
  it.each(wrong)('exit 2 for %s, in one line and its remedy', (_, args) => {
    const ran = runBundle(CLI, [...args]);
    expect(ran.code).toBe(2);
    expect(ran.stderr + ran.stdout).not.toMatch(/\n\s+at /);
  });

  it('never repeats a secret that was typed in the wrong place', () => {
    const secret = freshSecret();
    for (const args of [
      ['sync', `--password=${secret}`],
      ['probe', '--url', `http://u:${secret}@h`],
      ['sync', '--password', secret],
      [secret],
      [secret, '--json'],
      [`${secret}'\n'`],
      ['--json', secret],
      ['sync', secret],
      ['sync', `-p${secret}`],
    ]) {
      const ran = runBundle(CLI, args);
      expect(ran.code).toBe(2);
      expect(ran.stdout + ran.stderr).not.toContain(secret);
    }
  });

  it.each([
    [['--json', 'sync'], 'sync'],
    [['--quiet', '--json', 'audit', '--root', '/'], 'audit'],
    [['probe', '--json', '--rounds', 'none'], 'probe'],
    [['--json', 'frobnicate'], ''],
  ])('names the command of a wrong line: %j', (args, command) => {
    expect(runBundle(CLI, args).json).toMatchObject({ command, status: 'error', exitCode: 2 });
  });

  it('refuses to run where NODE_DEBUG would print requests and environments', () => {
    for (const NODE_DEBUG of ['http', 'fs,net', 'child_process', '*']) {
      const ran = runBundle(CLI, ['audit', '--root', tree.root], {
        env: { NODE_DEBUG, CANARY: freshSecret() },
      });
      expect(ran.stderr).toContain('unset NODE_DEBUG');
      expect(ran.code).toBe(2);
    }
  });

  it('gives a JSON object for a failure too', () => {
    const ran = runBundle(CLI, ['audit', '--json', '--root', '/nowhere/at/all']);
    expect(ran.json).toMatchObject({
      command: 'audit',
      status: 'error',
      exitCode: 2,
      error: { code: 'root-missing' },
    });
  });

  it('says what it looked for where there is no deployment, and writes nothing', () => {
    const folder = mkdtempSync(join(tmpdir(), 'comfyui-auth-empty-'));
    for (const command of ['audit', 'sync', 'init', 'probe']) {
      const ran = runBundle(CLI, [command, '--root', folder]);
      expect(ran.stderr).toContain('Looked for: comfyui-auth.yml');
      expect(ran.code).toBe(2);
    }
    expect(readdirSync(folder)).toEqual([]);
    rmSync(folder, { recursive: true });
  });

  it('prints a table and findings for people, without a secret', () => {
    tree.write(PATHS.env, tree.envText(tree.bearer));
    const ran = runBundle(CLI, ['audit', '--root', tree.root]);
    expect(ran.stdout).toContain('COMFYUI_BEARER_TOKEN');
    expect(ran.stdout).toContain('value-mangled');
    expect(ran.stdout).not.toContain('\u001b[');
    for (const secret of [tree.password, tree.bearer]) expect(ran.stdout + ran.stderr).not.toContain(secret);
  });
});

describe('explain', () => {
  it('says what each reader would receive, values masked', () => {
    tree.write(PATHS.env, tree.envText(tree.bearer));
    const ran = tree.run(
      'explain',
      tree.path(PATHS.env),
      '--reader',
      'compose',
      '--reader',
      'dotenv',
      '--reader',
      'docker-run',
    );
    const key = (reader: string) => ran.json.readers[reader].COMFYUI_BEARER_TOKEN;
    expect(key('compose').asMeant).toBe(false);
    expect(key('compose').length).toBeLessThan(60);
    expect(key('dotenv')).toEqual({ asMeant: true, length: 60 });
    expect(key('docker-run')).toEqual({ asMeant: true, length: 60 });
    for (const secret of [tree.password, tree.bearer]) expect(ran.stdout).not.toContain(secret);
  });

  it('shows the values with --reveal, and who refuses the file', () => {
    tree.write('x.env', 'A=1\ngarbage here\n');
    const ran = tree.run(
      'explain',
      tree.path('x.env'),
      '--reader',
      'compose',
      '--reader',
      'dotenv',
      '--reveal',
    );
    expect(ran.json.readers.dotenv.A).toEqual({ asMeant: true, value: '1' });
    expect(ran.json.rejected.compose).toMatchObject({ line: 2 });
  });
});

describe('init', () => {
  it('writes a layout with which audit sees the same places, and leaves it alone afterwards', () => {
    const before = tree.run('audit').json.services[0].locations.map((one: { path: string }) => one.path);
    expect(tree.run('init').json.status).toBe('created');
    const after = tree.run('audit');
    expect(after.json.status).toBe('clean');
    expect(after.json.layout).toBe(tree.path('comfyui-auth.yml'));
    expect(after.json.services[0].locations.map((one: { path: string }) => one.path).sort()).toEqual(
      before.sort(),
    );
    expect(tree.run('init').json.status).toBe('unchanged');
    expect(tree.read('comfyui-auth.yml')).not.toContain(tree.password);
  });

  it('never overwrites a layout that somebody wrote', () => {
    tree.write('comfyui-auth.yml', 'version: 1\nservices: {}\n');
    expect(tree.run('init').json.error.code).toBe('layout-exists');
    expect(tree.read('comfyui-auth.yml')).toBe('version: 1\nservices: {}\n');
  });

  it('leaves it to the operator which of two passwords is right', () => {
    tree.edit(PATHS.rootEnv, tree.password, freshSecret());
    tree.run('init');
    expect(tree.read('comfyui-auth.yml')).not.toMatch(/^ +authority:/m);
    expect(tree.run('sync')).toMatchObject({ code: 2 });
  });
});

describe('a layout that does not hold', () => {
  const layouts: [string, string, RegExp][] = [
    ['is no YAML', 'version: 1\nservices: {a: [\n', /comfyui-auth\.yml:\d+:\d+/],
    ['has an unknown field', 'version: 1\nservices:\n  a:\n    urll: x\n', /comfyui-auth\.yml:4:/],
    [
      'names an unknown reader',
      'version: 1\nservices:\n  a:\n    env: {file: .env, readers: [emacs]}\n',
      /comfyui-auth\.yml:4:/,
    ],
    [
      'leaves its folder',
      'version: 1\nservices:\n  a:\n    env:\n      file: ../../.env\n',
      /comfyui-auth\.yml:5:.*leaves/,
    ],
    ['has another version', 'version: 2\nservices: {a: {env: {file: .env}}}\n', /comfyui-auth\.yml:1:/],
    ['has no location', 'version: 1\nservices:\n  a:\n    url: http://127.0.0.1:1\n', /has no location/],
    ['is empty', '', /comfyui-auth\.yml:1:1/],
  ];
  it.each(layouts)('%s', (_, text, says) => {
    tree.write('comfyui-auth.yml', text);
    const ran = tree.run('audit');
    expect(ran.json.error?.code).toBe('layout-invalid');
    expect(ran.json.error?.message).toMatch(says);
    expect(ran.code).toBe(2);
  });
});

describe('probe', () => {
  it('proves a server that refuses without and accepts with', async () => {
    const comfyui = tree.path('ComfyUI');
    layComfyUi(comfyui);
    writeFileSync(join(comfyui, 'login', 'PASSWORD'), `${tree.bearer}\nadmin`);
    const server = await startStandIn({ comfyuiDir: comfyui, port: 0, args: [], log: () => undefined });
    // The server lives in this process: the probe must not block it.
    const args = [
      CLI,
      'probe',
      '--root',
      tree.root,
      '--json',
      '--url',
      `http://127.0.0.1:${server.port}`,
      '--timeout',
      '30s',
    ];
    const child = spawn(process.execPath, args, { env: cleanEnv() });
    let stdout = '';
    child.stdout.on('data', (chunk) => {
      stdout += chunk;
    });
    const [code] = await once(child, 'close');
    await server.close();
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ status: 'proved', services: [{ status: 'proved' }] });
  });

  it('says that nothing listens, with exit 3', () => {
    const ran = tree.run('probe', '--url', 'http://127.0.0.1:1', '--timeout', '300ms');
    expect(ran.json.status).toBe('down');
    expect(found(ran, 'down')).toHaveLength(1);
    expect(ran.code).toBe(3);
  });
});
