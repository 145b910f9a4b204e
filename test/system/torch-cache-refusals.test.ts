import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { requires } from './capability.ts';
import { PYTHON, Stage, type StartOptions, Workshop } from './torch-cache/stage.ts';
import { torchWheels, writeWheels } from './torch-cache/wheels.ts';

const OTHER = 12_345;
const notRoot = requires('root', process.getuid?.() === 0);
const noMounts = notRoot || requires('mount namespaces', spawnSync('unshare', ['-m', 'true']).status === 0);

let workshop: Workshop;
let stage: Stage;
beforeAll(() => {
  workshop = new Workshop();
});
afterAll(() => workshop.remove());
beforeEach(() => {
  stage = new Stage(workshop);
});
afterEach(() => stage.remove());

const pathFile = () => join(workshop.sitePackages, 'comfyui-auth-torch.pth');

/** A start that must be refused: one line, with a remedy, and nothing in use or left behind. */
async function refused(more: Record<string, string> = {}, options: StartOptions = {}) {
  const { code, refused, remedy, output } = await stage.run([], more, options);
  expect(output).not.toMatch(/^\s+at /m);
  expect(remedy).toBeTruthy();
  expect(existsSync(pathFile())).toBe(false);
  if (existsSync(stage.cache)) {
    expect(stage.names().filter((name) => name === 'store' || name === '.staging-…')).toEqual([]);
  }
  return { exit: code, code: refused?.code, message: refused?.message ?? '', remedy: remedy ?? '' };
}

const wheelFile = (name: string) => {
  const file = readdirSync(stage.wheelhouse).find((one) => one.startsWith(`${name}-`));
  return join(stage.wheelhouse, file ?? '');
};

describe('the wheelhouse', () => {
  test('a wheel with another hash', async () => {
    writeWheels(stage.wheelhouse, [{ name: 'tinydep', version: '1.0', init: 'STOLEN = True' }]);
    const found = await refused();
    expect(found).toMatchObject({ exit: 78, code: 'wheel-hash' });
    expect(found.message).toContain('tinydep==1.0');
  });

  test('a missing wheel is named, and so is what is there instead', async () => {
    rmSync(wheelFile('torchvision'));
    expect(await refused()).toMatchObject({ exit: 78, code: 'wheel-missing' });
    writeWheels(stage.wheelhouse, [{ name: 'torchvision', version: '0.2.5.1+cu124' }]);
    const { message } = await refused();
    expect(message).toContain('no wheel of torchvision==0.2.5.1+cpu, only 0.2.5.1+cu124');
  });

  test('a wheel for another Python, and for another machine', async () => {
    for (const tag of ['cp27-cp27m-linux_x86_64', 'cp311-cp311-win_amd64']) {
      rmSync(stage.wheelhouse, { recursive: true });
      stage.supply(torchWheels().map((wheel) => (wheel.name === 'torch' ? { ...wheel, tag } : wheel)));
      const { exit, code, message } = await refused();
      expect({ exit, code }).toEqual({ exit: 78, code: 'wheel-missing' });
      expect(message).toMatch(/no wheel of torch==2\.5\.1\+cpu for cp\d+ on \w+, only torch-2\.5\.1\+cpu-cp/);
    }
  });

  test('a wheel for a newer C library: the installer’s own word is passed on', async () => {
    const tag = `py3-none-manylinux_2_99_${execFileSync('uname', ['-m'], { encoding: 'utf8' }).trim()}`;
    rmSync(stage.wheelhouse, { recursive: true });
    stage.supply(torchWheels().map((wheel) => (wheel.name === 'torch' ? { ...wheel, tag } : wheel)));
    const { exit, code, message } = await refused();
    expect({ exit, code }).toEqual({ exit: 78, code: 'wheel-missing' });
    expect(message).toContain('torch==2.5.1+cpu');
  });

  test('packages that do not belong together do not get into use, and are not installed again and again', async () => {
    const init = `import os\nif not os.path.exists(${JSON.stringify(join(stage.folder, 'cured'))}):\n    raise RuntimeError("operator is missing")\n`;
    stage.supply(torchWheels().map((wheel) => (wheel.name === 'torchaudio' ? { ...wheel, init } : wheel)));
    for (const builds of [1, 0]) {
      const { code, refused, events } = await stage.run();
      expect({ code, refused }).toMatchObject({ code: 78, refused: { code: 'torch-import-failed' } });
      expect(refused?.message).toContain('operator is missing');
      expect(events.filter(({ event }) => event === 'torch-build')).toHaveLength(builds);
      expect(existsSync(pathFile())).toBe(false);
    }
    writeFileSync(join(stage.folder, 'cured'), '');
    expect(await stage.run([], stage.bare)).toMatchObject({ code: 0, tier: 'T1' });
  });

  test('a file in its place, and nothing at all', async () => {
    expect(await refused({ TORCH_WHEELHOUSE: stage.lock })).toMatchObject({
      exit: 78,
      code: 'setting-invalid',
    });
    const found = await refused({ TORCH_WHEELHOUSE: '' });
    expect(found).toMatchObject({ exit: 78, code: 'torch-missing' });
    expect(found.message).toMatch(/^torch==2\.5\.1\+cpu, torchaudio.* torchvision.*TORCH_NETWORK is off$/);
  });
});

describe('the lock', () => {
  test('torch and torchvision of different backends', async () => {
    writeFileSync(stage.lock, readFileSync(stage.lock, 'utf8').replace('0.2.5.1+cpu', '0.2.5.1+cu124'));
    const found = await refused();
    expect(found).toMatchObject({ exit: 78, code: 'torch-lock-invalid' });
    expect(found.message).toMatch(/torch\.lock, line 8: torchvision 0\.2\.5\.1\+cu124 is of another backend/);
  });

  test('what cannot be parsed, and what is not there', async () => {
    writeFileSync(stage.lock, 'torch>=2\n');
    expect((await refused()).message).toMatch(/torch\.lock, line 1: /);
    rmSync(stage.lock);
    expect(await refused()).toMatchObject({ exit: 78, code: 'torch-lock-unreadable' });
    mkdirSync(stage.lock);
    expect(await refused()).toMatchObject({ exit: 78, code: 'torch-lock-unreadable' });
  });
});

describe('the installer', () => {
  test('uv is asked for and not there', async () => {
    expect(await refused({ TORCH_INSTALLER: 'uv' })).toMatchObject({ exit: 78, code: 'uv-missing' });
  });

  test('a Python without pip', async () => {
    const venv = join(stage.folder, 'bare');
    execFileSync(PYTHON, ['-m', 'venv', '--without-pip', venv]);
    const found = await refused({ HOST_PYTHON: join(venv, 'bin', 'python') });
    expect(found).toMatchObject({ exit: 78, code: 'pip-missing' });
  });
});

describe('the volume', () => {
  /** Runs with a small file system of its own as the cache. */
  const onMount = (size: string, then = 'true'): StartOptions => {
    mkdirSync(stage.cache, { recursive: true });
    const script = `mount -t tmpfs -o size=${size} tmpfs '${stage.cache}' && ${then} && exec "$@"`;
    return { around: ['unshare', '-m', 'sh', '-c', script, 'sh'] };
  };

  test.skipIf(noMounts)('full: pip’s, and our own writing', async () => {
    for (const size of ['100k', '8k']) {
      const found = await refused({}, onMount(size));
      expect(found).toMatchObject({ exit: 74, code: 'torch-cache-full' });
      expect(found.remedy).toMatch(/free some space/);
    }
  });

  test.skipIf(noMounts)('read-only', async () => {
    const found = await refused({}, onMount('1m', `mount -o remount,ro '${stage.cache}'`));
    expect(found).toMatchObject({ exit: 74, code: 'torch-cache-not-writable' });
    expect(found.remedy).toMatch(/mount the volume of TORCH_CACHE writable/);
  });

  test.skipIf(noMounts)('read-only, but with the store that is needed: that is used', async () => {
    await stage.run();
    const script = `mount --bind '${stage.cache}' '${stage.cache}' && mount -o remount,ro,bind '${stage.cache}' && exec "$@"`;
    const around = ['unshare', '-m', 'sh', '-c', script, 'sh'];
    expect(await stage.run([], stage.bare, { around })).toMatchObject({ code: 0, tier: 'T1' });
  });

  test.skipIf(notRoot)('of another user', async () => {
    mkdirSync(stage.cache, { recursive: true });
    const found = await refused({}, { uid: OTHER });
    expect(found).toMatchObject({ exit: 77, code: 'torch-cache-not-writable' });
    expect(found.remedy).toContain(`chown -R ${OTHER}:${OTHER}`);
  });

  test.skipIf(notRoot)('site-packages of another user', async () => {
    mkdirSync(stage.cache, { recursive: true });
    chownSync(stage.cache, OTHER, OTHER);
    const { code, refused, remedy } = await stage.run([], {}, { uid: OTHER });
    expect({ code, refused: refused?.code }).toEqual({ code: 77, refused: 'site-packages-not-writable' });
    expect(remedy).toMatch(/chown -R/);
    expect(existsSync(pathFile())).toBe(false);
  });
});

describe('another builder', () => {
  test('is waited for, but not for ever', async () => {
    mkdirSync(stage.cache, { recursive: true });
    const holder = spawn('flock', [join(stage.cache, 'lock'), 'sh', '-c', 'echo held; read line'], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    await once(holder.stdout, 'data');
    const { code, refused, events } = await stage.run([], { TORCH_CACHE_WAIT: '500ms' });
    expect({ code, refused: refused?.code }).toEqual({ code: 75, refused: 'torch-cache-busy' });
    expect(events.map(({ event }) => event)).toContain('torch-wait');

    const waiting = stage.start();
    await waiting.said('torch-wait');
    holder.stdin.end('\n');
    expect(await waiting.ended).toBe(0);
  });

  test('builds, and both use what it built', async () => {
    const hosts = [stage.start(), stage.start()];
    expect(await Promise.all(hosts.map((host) => host.ended))).toEqual([0, 0]);
    expect(hosts.map((host) => host.answer.tier).sort()).toEqual(['T1', 'T2']);
    expect(stage.names().sort()).toEqual(['constraints', 'lock', 'store']);
  });
});
