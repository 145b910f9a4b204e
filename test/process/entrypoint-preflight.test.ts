import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Deployment, freshPassword } from './entrypoint-harness.ts';

interface Check {
  id: string;
  severity: string;
  verdict: string;
  message: string;
  remedy?: string;
  exit?: number;
  code?: string;
}

interface Report {
  v: number;
  checks: Check[];
  exitCode: number;
}

let deployment: Deployment;
let password: string;
beforeEach(async () => {
  deployment = await Deployment.make();
  password = freshPassword();
});
afterEach(() => deployment.remove());

/** A ComfyUI that wants no GPU, whatever the machine of the test has. */
const given = (more: Record<string, string> = {}) => ({
  COMFYUI_PASSWORD: password,
  COMFYUI_ARGS: '--cpu',
  ...more,
});

async function report(more: Record<string, string> = {}): Promise<Report> {
  const { code, stdout } = await deployment.end(['preflight', '--json'], given(more));
  const parsed = JSON.parse(stdout) as Report;
  expect(code, 'what the process ends with is what it says').toBe(parsed.exitCode);
  return parsed;
}

const check = ({ checks }: Report, id: string): Check | undefined => checks.find((one) => one.id === id);
const failures = ({ checks }: Report, severity: string): string[] =>
  checks.filter((one) => one.verdict === 'fail' && one.severity === severity).map(({ id }) => id);

/** Every path below a folder, with what would change by writing. */
function snapshot(folder: string): string[] {
  return (readdirSync(folder, { recursive: true }) as string[]).sort().map((name) => {
    const { mtimeMs, size, mode, ino } = statSync(join(folder, name));
    return [name, ino, mode, size, mtimeMs].join(' ');
  });
}

describe('the command', () => {
  test('all is well: exit 0, one line of JSON, what it could not find out is no pass', async () => {
    const { code, stdout } = await deployment.end(['preflight', '--json'], given());
    expect(stdout.trim()).not.toContain('\n');
    const found = JSON.parse(stdout) as Report;
    expect([code, found.v, found.exitCode]).toEqual([0, 1, 0]);
    expect(failures(found, 'error')).toEqual([]);
    for (const id of [
      'credential',
      'login-node',
      'login-packages',
      'session-key',
      'python',
      'port-free',
      'pid1',
    ])
      expect(check(found, id), id).toMatchObject({ verdict: 'pass' });
    // The stand-in for Python imports nothing: whether PyTorch works is not known.
    expect(check(found, 'torch-import')).toMatchObject({ verdict: 'unknown', severity: 'error' });
    for (const one of found.checks.filter(({ verdict }) => verdict === 'fail'))
      expect(one.remedy, one.id).toMatch(/\S/);
  });

  test('as text: a table, and a remedy below what failed', async () => {
    const { code, stdout } = await deployment.end(
      ['preflight'],
      given({ MODELS_REQUIRED: 'vae/x.safetensors' }),
    );
    expect(code).toBe(78);
    expect(stdout).toMatch(
      /^error {4}models +1 of 1 models in \S+: vae\/x\.safetensors is not there\n +remedy: /m,
    );
    expect(stdout).toMatch(/^pass {5}credential /m);
    expect(stdout.trim().split('\n').at(-1)).toMatch(
      /^\d+ checks, errors 1, warnings \d+, unknown \d+; exit 78$/,
    );
  });

  test('nothing is written, and nothing stays', async () => {
    const before = snapshot(deployment.comfyui);
    await report();
    expect(snapshot(deployment.comfyui)).toEqual(before);
    expect(existsSync(deployment.password)).toBe(false);
  });

  test.each([[['--jsn']], [['--json', 'python']], [['--json', '--']]])(
    '%j is wrong usage: 64',
    async (args) => {
      expect((await deployment.end(['preflight', ...args], given())).code).toBe(64);
    },
  );

  test('a command behind `--` is what is looked at', async () => {
    const args = [
      'preflight',
      '--json',
      '--',
      deployment.python,
      '-u',
      'main.py',
      '--disable-all-custom-nodes',
    ];
    const { code, stdout } = await deployment.end(args, given());
    expect(code).toBe(78);
    expect(check(JSON.parse(stdout), 'login-node')).toMatchObject({
      verdict: 'fail',
      code: 'login-node-disabled',
    });
  });
});

describe('what would keep ComfyUI from being started is an error, with its exit code', () => {
  test('no credential', async () => {
    const { checks, exitCode } = await report({ COMFYUI_PASSWORD: '' });
    expect(exitCode).toBe(78);
    expect(checks.find(({ id }) => id === 'credential')).toMatchObject({
      code: 'credential-missing',
      exit: 78,
    });
  });

  test('no login node', async () => {
    rmSync(deployment.node, { recursive: true });
    expect(check(await report(), 'login-node')).toMatchObject({
      verdict: 'fail',
      code: 'login-node-missing',
    });
  });

  test('a key on which the login would fail', async () => {
    writeFileSync(deployment.key, '');
    expect(check(await report(), 'session-key')).toMatchObject({
      verdict: 'fail',
      code: 'session-key-broken',
    });
  });

  test('a setting that cannot be read', async () => {
    const { checks, exitCode } = await report({ COMFYUI_PORT: 'many' });
    expect(exitCode).toBe(78);
    expect(checks).toMatchObject([{ id: 'settings', severity: 'error', verdict: 'fail' }]);
  });

  test('a Python that is not there: 127, and what needs one is not asked', async () => {
    const found = await report({ COMFYUI_PYTHON: '/nowhere/python' });
    expect(check(found, 'python')).toMatchObject({ verdict: 'fail', code: 'python-unusable', exit: 127 });
    expect(found.exitCode).toBe(127);
    expect(check(found, 'models'), 'the other checks are made all the same').toBeDefined();
  });

  test('a port at which something answers', async () => {
    const server = createServer().listen(deployment.port, '127.0.0.1');
    await once(server, 'listening');
    try {
      const found = await report();
      expect(check(found, 'port-free')).toMatchObject({ verdict: 'fail', code: 'port-taken' });
      expect(found.exitCode).toBe(78);
    } finally {
      server.close();
    }
  });

  // Nothing is forbidden to root.
  const other = 54_321;
  test.skipIf(process.getuid?.() !== 0)('a login folder of another user: 77', () => {
    chmodSync(deployment.folder, 0o755);
    const { status, stdout } = spawnSync(process.execPath, deployment.argv('preflight', '--json'), {
      env: deployment.env(given()),
      encoding: 'utf8',
      uid: other,
      gid: other,
    });
    const found = JSON.parse(stdout) as Report;
    expect(check(found, 'login-writable')).toMatchObject({ verdict: 'fail', exit: 77 });
    expect(check(found, 'login-writable')?.remedy).toContain(`chown -R ${other}:${other}`);
    expect(failures(found, 'warning')).toContain('volumes-writable');
    expect(status).toBe(found.exitCode);
  });
});

describe('what only spoils a result warns, and the exit code is 0', () => {
  test('a damaged environment, a zone that is none, a GPU in a container without one', async () => {
    const found = await report({
      COMFYUI_ARGS: '',
      CUDA_VISIBLE_DEVICES: '0',
      TZ: 'Europe/Atlantis',
      QUOTED: '"x"',
    });
    expect(found.exitCode).toBe(0);
    const warned = failures(found, 'warning');
    expect(warned).toEqual(expect.arrayContaining(['env-mangling', 'time-zone']));
    if (!existsSync('/dev/nvidia0') && !existsSync('/dev/dxg') && !existsSync('/dev/kfd')) {
      expect(warned).toContain('gpu');
      expect(check(found, 'gpu')?.remedy).toContain('NVIDIA Container Toolkit');
    }
  });

  test('no value of the environment is shown', async () => {
    const secrets = Array.from({ length: 4 }, freshPassword);
    const [token = '', civitai = '', key = '', foreign = ''] = secrets;
    const env = {
      HF_TOKEN: `"${token}"`,
      CIVITAI_TOKEN: `CIVITAI_TOKEN=${civitai}`,
      SECRET_KEY: `${key}\r`,
      FOREIGN: `${foreign}$$`,
      TZ: foreign,
      CUDA_VISIBLE_DEVICES: foreign,
      COMFYUI_ARGS: '',
    };
    for (const args of [['preflight'], ['preflight', '--json']]) {
      const { output } = await deployment.end(args, given(env));
      expect(output).toContain('CIVITAI_TOKEN');
      for (const secret of [...secrets, password]) expect(output).not.toContain(secret);
    }
  });

  test('what a broken Python says is one line, without a secret', async () => {
    deployment.setPython(`echo "ready: ${password}" >&2; printf 'ready\\n'; exit 3`);
    const { code, stdout } = await deployment.end(['preflight'], given());
    expect(code).toBe(78);
    expect(stdout).toContain('gave no answer (exit 3) ready: [secret]');
    expect(stdout).not.toContain(password);
    expect(stdout).not.toMatch(/^ready/m);
  });
});

describe('at a boot', () => {
  test('a warning is one event, with id and remedy; the boot goes on', async () => {
    const running = deployment.start(['run'], given({ LOG_FORMAT: 'json', TZ: 'Europe/Atlantis' }));
    await running.said(/"event":"ready"/);
    const events = running.stdout
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as Record<string, string>)
      .filter(({ event }) => event === 'preflight');
    expect(events.filter(({ id }) => id === 'time-zone')).toMatchObject([
      { level: 'warning', remedy: expect.stringContaining('TZ') },
    ]);
    expect(new Set(events.map(({ level }) => level))).toEqual(new Set(['warning']));

    // Beside a running one: its own ComfyUI answers at the port, and that is no fault.
    const beside = await report();
    expect(check(beside, 'port-free')).toMatchObject({ verdict: 'skip' });
    expect(beside.exitCode).toBe(0);
    expect(await running.stop()).toBe(0);
  });

  test('a model of the list that is not whole: 78, and neither ComfyUI nor a PASSWORD', async () => {
    const vae = join(deployment.comfyui, 'models', 'vae');
    mkdirSync(vae, { recursive: true });
    writeFileSync(join(vae, 'x.safetensors'), 'version https://git-lfs.github.com/spec/v1\n');
    const { code, output } = await deployment.end(['run'], given({ MODELS_REQUIRED: 'vae/x.safetensors' }));
    expect(code).toBe(78);
    expect(output).toMatch(
      /^refused: .*vae\/x\.safetensors is a pointer of Git LFS.*Remedy: .*\(models, exit 78\)$/m,
    );
    expect(output).not.toMatch(/^starting/m);
    expect(existsSync(deployment.password)).toBe(false);
  });

  test('the list may be a file', async () => {
    writeFileSync(join(deployment.comfyui, 'models.txt'), '# none yet\n');
    const found = await report({ MODELS_REQUIRED: '@models.txt' });
    expect(check(found, 'models')).toMatchObject({ verdict: 'pass' });
    const missing = await report({ MODELS_REQUIRED: '@other.txt' });
    expect(check(missing, 'models')).toMatchObject({ verdict: 'fail', code: 'setting-invalid' });
    expect(missing.exitCode).toBe(78);
  });
});

test('a signal ends it at once, while a Python hangs', async () => {
  const marker = join(deployment.folder, 'asked');
  deployment.setPython(`echo $$ > '${marker}'; exec sleep 600`);
  const child = spawn(process.execPath, deployment.argv('preflight', '--json'), {
    env: deployment.env(given()),
  });
  const ended = once(child, 'exit');
  await expect
    .poll(() => existsSync(marker) && readFileSync(marker, 'utf8').trim(), { timeout: 20_000 })
    .toBeTruthy();
  const began = performance.now();
  child.kill('SIGTERM');
  await ended;
  expect(performance.now() - began).toBeLessThan(5000);
  const pid = Number(readFileSync(marker, 'utf8'));
  await expect.poll(() => existsSync(`/proc/${pid}/cwd`), { timeout: 5000 }).toBe(false);
});
