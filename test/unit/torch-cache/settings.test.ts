import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { installCommand, installerEnv } from '../../../entrypoint/torch-cache/installer.ts';
import { readTorchSettings } from '../../../entrypoint/torch-cache/settings.ts';

test('what is not set has a default', () => {
  expect(readTorchSettings({ TORCH_LOCK: '/l', TORCH_WHEELHOUSE: tmpdir() })).toEqual({
    lockPath: '/l',
    cacheDir: '/cache/torch',
    wheelhouse: tmpdir(),
    network: false,
    waitMs: 1_800_000,
    installer: 'auto',
  });
});

test('every variable is read', () => {
  const folder = mkdtempSync(join(tmpdir(), 'wheels-'));
  const env = {
    TORCH_LOCK: 'off',
    TORCH_CACHE: '/mnt/torch',
    TORCH_WHEELHOUSE: folder,
    TORCH_NETWORK: 'on',
    TORCH_INDEX_URL: 'https://download.pytorch.org/whl/cpu',
    TORCH_CACHE_WAIT: '90s',
    TORCH_INSTALLER: 'uv',
  };
  expect(readTorchSettings(env)).toEqual({
    cacheDir: '/mnt/torch',
    wheelhouse: folder,
    network: true,
    indexUrl: env.TORCH_INDEX_URL,
    waitMs: 90_000,
    installer: 'uv',
  });
  rmSync(folder, { recursive: true });
});

test.each([
  ['TORCH_LOCK', 'torch.lock'],
  ['TORCH_CACHE', 'cache'],
  ['TORCH_CACHE', '/my cache'],
  ['TORCH_CACHE', '/a"quote'],
  ['TORCH_WHEELHOUSE', '/nowhere/at/all'],
  ['TORCH_NETWORK', 'maybe'],
  ['TORCH_INDEX_URL', 'pypi.org'],
  ['TORCH_INDEX_URL', `https://ada:${Math.random().toString(36)}@a.example/simple`],
  ['TORCH_CACHE_WAIT', 'soon'],
  ['TORCH_INSTALLER', 'conda'],
])('%s=%s is refused by its name', (name, value) => {
  expect(() => readTorchSettings({ [name]: value })).toThrow(new RegExp(`^${name}`));
  expect(() => readTorchSettings({ [name]: value })).toThrow(
    expect.objectContaining({ code: 'setting-invalid', exit: 78 }),
  );
});

test('an installer learns no secret and no setting of the machine, and of proxies only where it needs them', () => {
  const secret = Math.random().toString(36);
  const env = {
    PATH: '/bin',
    HF_TOKEN: secret,
    PIP_INDEX_URL: 'http://other/',
    UV_INDEX: 'http://other/',
    PIP_TARGET: '/other',
    PYTHONPATH: '/other',
    HTTPS_PROXY: 'http://proxy:3128',
    SSL_CERT_FILE: '/certs',
  };
  const onDisk = installerEnv(env, 'T2', '/scratch');
  expect(onDisk).toMatchObject({
    PATH: '/bin',
    SSL_CERT_FILE: '/certs',
    HOME: '/scratch',
    TMPDIR: '/scratch',
  });
  for (const name of ['HF_TOKEN', 'PIP_INDEX_URL', 'UV_INDEX', 'PIP_TARGET', 'PYTHONPATH', 'HTTPS_PROXY']) {
    expect(onDisk).not.toHaveProperty(name);
  }
  expect(installerEnv(env, 'T3', '/scratch')).toHaveProperty('HTTPS_PROXY', env.HTTPS_PROXY);
});

test('a wheelhouse is installed from without an index, an index without a wheelhouse; hashes always', () => {
  const common = { python: '/venv/bin/python', requirements: '/r', target: '/t' };
  for (const name of ['pip', 'uv'] as const) {
    const installer = { name, program: name };
    const onDisk = installCommand({ ...common, installer, source: { tier: 'T2', wheelhouse: '/w' } });
    expect(onDisk.join(' ')).toMatch(
      /--no-deps --require-hashes --only-binary :all: --no-index --find-links \/w /,
    );
    const source = { tier: 'T3', indexUrl: 'https://a/', extraIndexUrls: ['https://b/'] } as const;
    const fetched = installCommand({ ...common, installer, source }).join(' ');
    expect(fetched).toMatch(/--require-hashes .*--index-url https:\/\/a\/ --extra-index-url https:\/\/b\/ /);
    expect(fetched).not.toMatch(/--no-index|--find-links/);
  }
});
