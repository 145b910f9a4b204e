import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { cheapHash, Deployment, freshPassword } from '../process/entrypoint-harness.ts';
import { Stage, Workshop } from './torch-cache/stage.ts';

// The whole entrypoint, with a real Python that provides PyTorch, and the stand-in as ComfyUI.

const LOGIN_MODULES = [
  'aiohttp/__init__.py',
  'aiohttp_session/__init__.py',
  'aiohttp_session/cookie_storage.py',
  'jinja2/__init__.py',
  'bcrypt/__init__.py',
  'Crypto/__init__.py',
  'Crypto/Cipher.py',
  'Crypto/Util/__init__.py',
  'Crypto/Util/Padding.py',
];

let workshop: Workshop;
let stage: Stage;
let deployment: Deployment;
beforeAll(() => {
  workshop = new Workshop();
});
afterAll(() => workshop.remove());
beforeEach(async () => {
  stage = new Stage(workshop);
  for (const module of LOGIN_MODULES) {
    const path = join(workshop.sitePackages, module);
    mkdirSync(join(path, '..'), { recursive: true });
    writeFileSync(path, '');
  }
  deployment = await Deployment.make();
  writeFileSync(deployment.password, `${cheapHash(freshPassword())}\nada`);
  const standIn = readFileSync(deployment.python, 'utf8').split('\n')[1] ?? '';
  const said = join(deployment.folder, 'said');
  const comfyui = `env > '${said}'; '${workshop.python}' -c 'import torch; print(torch.__file__)' >> '${said}'; ${standIn}`;
  deployment.setPython(`case "$*" in *main.py*) ${comfyui} ;; *) exec '${workshop.python}' "$@" ;; esac`);
});
afterEach(async () => {
  deployment.remove();
  await stage.remove();
});

const env = (more: Record<string, string> = {}) => ({
  TORCH_LOCK: stage.lock,
  TORCH_CACHE: stage.cache,
  TORCH_WHEELHOUSE: stage.wheelhouse,
  TORCH_INSTALLER: 'pip',
  ...more,
});

/** What ComfyUI's own process found. */
const said = () => readFileSync(join(deployment.folder, 'said'), 'utf8');

test('the first start builds, the second one needs nothing but the cache; ComfyUI sees the store, and pip is held', async () => {
  const first = deployment.start(['run'], env());
  await first.said(/^ready/m);
  expect(first.output).toMatch(/^torch-built: 4 packages, \d+ files/m);
  expect(first.output).toMatch(
    /^torch-ready: PyTorch 2\.5\.1\+cpu was built from the wheelhouse \(T2, \d+ ms\)$/m,
  );
  // While ComfyUI uses it no other container removes it.
  const exclusively = () => spawnSync('flock', ['-n', '-x', stage.store, 'true']).status;
  expect(exclusively()).toBe(1);
  expect(await first.stop()).toBe(0);
  expect(exclusively()).toBe(0);
  for (const pattern of [/^PIP_CONSTRAINT=.*constraints/m, /^UV_CONSTRAINT=.*constraints/m]) {
    expect(said()).toMatch(pattern);
  }
  expect(said()).toContain(join(stage.store, 'packages/torch/__init__.py'));

  const before = stage.state();
  const second = deployment.start(['run'], env(stage.bare));
  await second.said(/^ready/m);
  expect(second.output).toMatch(/^torch-ready: PyTorch 2\.5\.1\+cpu comes from the cache \(T1, \d+ ms\)$/m);
  expect(await second.stop()).toBe(0);
  expect(stage.state()).toEqual(before);
});

test('the cache is filled, and looked at, without a start', async () => {
  const status = async () => {
    const { code, stdout } = await deployment.end(['torch-cache', 'status', '--json'], env());
    return { code, ...(JSON.parse(stdout) as { tier: string | null; stores: unknown[] }) };
  };
  expect(await status()).toMatchObject({ code: 1, tier: null, stores: [] });
  expect((await deployment.end(['torch-cache', 'build'], env())).code).toBe(0);
  expect(await status()).toMatchObject({ code: 0, tier: 'T1' });
  expect((await deployment.end(['torch-cache', 'gc'], env())).code).toBe(0);
  expect((await deployment.end(['torch-cache', 'shrink'], env())).code).toBe(64);
  // Wrong usage is told before anything is looked at.
  const nowhere = env({ COMFYUI_DIR: join(deployment.folder, 'nowhere') });
  expect((await deployment.end(['torch-cache', 'shrink'], nowhere)).code).toBe(64);
  const running = deployment.start(['run'], env(stage.bare));
  await running.said(/^ready/m);
  expect(running.output).toMatch(/\(T1, \d+ ms\)$/m);
  expect(await running.stop()).toBe(0);
});

test('without PyTorch and without a source ComfyUI is not started: 78, and what to do', async () => {
  const { code, output } = await deployment.end(['run'], env(stage.bare));
  expect(code).toBe(78);
  expect(output).toMatch(
    /^refused: .*TORCH_NETWORK is off\. Remedy: put the wheels .*\(torch-missing, exit 78\)$/m,
  );
  expect(existsSync(join(deployment.folder, 'said'))).toBe(false);
});

test('a stop in the middle of the build is a clean stop, and leaves nothing half', async () => {
  const hang = "import sys, time; 'pip' in sys.orig_argv and time.sleep(600)\n";
  writeFileSync(join(workshop.sitePackages, 'hang.pth'), hang);
  const running = deployment.start(['run'], env());
  await running.said(/^torch-build/m);
  expect(await running.stop()).toBe(0);
  expect(readdirSync(stage.cache)).toEqual(['lock']);
  expect(existsSync(join(deployment.folder, 'said'))).toBe(false);
});
