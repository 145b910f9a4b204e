import { spawnSync } from 'node:child_process';
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Refusal } from '../../../entrypoint/exit.ts';
import type { PythonAccount } from '../../../entrypoint/preflight/check.ts';
import { pythonAnswers, pythonVersion } from '../../../entrypoint/preflight/python-version.ts';
import { torchCuda, torchImport } from '../../../entrypoint/preflight/torch-import.ts';
import { torchVersions } from '../../../entrypoint/preflight/torch-versions.ts';
import { volumesWrite } from '../../../entrypoint/preflight/volumes-write.ts';
import { requires } from '../../system/capability.ts';
import { type Laid, lay, look, world } from './world.ts';

const missing = new Refusal({
  code: 'python-unusable',
  exit: 127,
  message: 'it is not there',
  remedy: 'set it',
});

const account = (more: Partial<PythonAccount>): PythonAccount => ({
  version: '3.11.7',
  machine: 'x86_64',
  versions: {},
  ...more,
});

describe('the Python', () => {
  test('that is there, and one that is not', async () => {
    expect((await look(pythonAnswers, world())).message).toContain('3.11.7');
    const without = world({ facts: missing });
    expect(await look(pythonAnswers, without)).toMatchObject({
      verdict: 'fail',
      severity: 'error',
      code: 'python-unusable',
      exit: 127,
    });
    for (const check of [pythonVersion, torchVersions, torchImport])
      expect(await look(check, without)).toMatchObject({ verdict: 'skip' });
  });

  test.each([
    ['3.9.0', undefined, 'pass'],
    ['3.8.20', undefined, 'fail'],
    ['3.10.1', '>=3.9', 'pass'],
    ['3.9.18', '>=3.10', 'fail'],
    ['3.10.0', '>=3.10,<3.15', 'pass'],
    ['4.0', '>=3.10', 'pass'],
    ['2.7.18', '>=3.9', 'fail'],
    ['', '>=3.9', 'unknown'],
  ])('%s where ComfyUI asks for %s: %s', async (version, asks, verdict) => {
    const at = world({ facts: account({ version }) });
    if (asks !== undefined) {
      lay(join(at.comfyui, 'pyproject.toml'), `[project]\nname = "ComfyUI"\nrequires-python = "${asks}"\n`);
    }
    expect(await look(pythonVersion, at)).toMatchObject({ verdict, severity: 'warning' });
  });
});

test.skipIf(process.platform === 'win32')(
  'a FIFO for ComfyUI’s pyproject.toml holds nothing up',
  async () => {
    const at = world();
    expect(spawnSync('mkfifo', [join(at.comfyui, 'pyproject.toml')]).status).toBe(0);
    expect(await look(pythonVersion, at)).toMatchObject({ verdict: 'pass' });
  },
);

describe('torch-versions', () => {
  test.each<[(string | null | undefined)[], string, string]>([
    [['2.5.1+cu124', '0.20.1+cu124', '2.5.1+cu124'], 'x86_64', 'pass'],
    [['2.5.1', '0.20.1', '2.5.1'], 'x86_64', 'pass'],
    [['2.5.1+cu124', '0.20.1+cpu', '2.5.1+cu124'], 'x86_64', 'fail'],
    [['2.5.1+cu124', '0.20.1+cu121', '2.5.1+cu124'], 'x86_64', 'fail'],
    [['2.5.1+cpu', '0.20.1', '2.5.1+cpu'], 'x86_64', 'fail'],
    [['2.5.1+cpu', '0.20.1', '2.5.1+cpu'], 'aarch64', 'unknown'],
    [['2.5.1+cu124', '0.20.1', '2.5.1+cu124'], 'x86_64', 'unknown'],
    [['2.5.1+cu124', null, '2.5.1+cu124'], 'x86_64', 'fail'],
    [[null, null, null], 'x86_64', 'fail'],
    [[undefined, undefined, undefined], 'x86_64', 'unknown'],
  ])('%j on %s: %s', async ([torch, torchvision, torchaudio], machine, verdict) => {
    const all = { torch, torchvision, torchaudio };
    const versions = Object.fromEntries(
      Object.entries(all).flatMap(([name, version]) => (version === undefined ? [] : [[name, version]])),
    );
    const at = world({ facts: account({ machine, versions }) });
    const result = await look(torchVersions, at);
    expect(result).toMatchObject({ verdict, severity: 'warning' });
    const install = 'python3 -m pip install --force-reinstall torch torchvision torchaudio';
    if (verdict === 'fail') expect(result.remedy).toBe(install);
  });

  test('for the processor alone the wheels come from their own index', async () => {
    const facts = account({ versions: { torch: null, torchvision: null, torchaudio: null } });
    const { remedy } = await look(torchVersions, world({ facts, options: ['--cpu'] }));
    expect(remedy).toMatch(/ --index-url https:\/\/\S+\/cpu$/);
  });

  test('a build for the CPU where a GPU is asked for, unless the cache provides another', async () => {
    const versions = { torch: '2.5.1+cpu', torchvision: '0.20.1+cpu', torchaudio: '2.5.1+cpu' };
    const facts = account({ versions });
    expect(await look(torchVersions, world({ facts }))).toMatchObject({ verdict: 'pass' });
    const asked = await look(torchVersions, world({ facts, ...ASKED }));
    expect(asked).toMatchObject({ verdict: 'fail', remedy: expect.stringContaining('--cpu') });
    const provided = world({ facts, ...ASKED, torchProvided: true });
    expect(await look(torchVersions, provided)).toMatchObject({ verdict: 'pass' });
  });

  test('what the cache will provide need not be there yet', async () => {
    const facts = account({ versions: { torch: null, torchvision: null, torchaudio: null } });
    expect(await look(torchVersions, world({ facts, torchProvided: true }))).toMatchObject({
      verdict: 'skip',
    });
    expect(await look(torchImport, world({ facts, torchProvided: true }))).toMatchObject({ verdict: 'skip' });
  });
});

const PYTHON = 'python3';
const without = requires('python3', spawnSync(PYTHON, ['--version']).status === 0);

/** Hand-made packages that stand for PyTorch, for a real Python. */
function packages(files: Record<string, string>, options: { env?: Record<string, string> } = {}): Laid {
  const at = world(options);
  const folder = join(at.folder, 'packages');
  for (const [name, source] of Object.entries(files)) lay(join(folder, `${name}.py`), source);
  const env = { ...process.env, PYTHONPATH: folder, PYTHONDONTWRITEBYTECODE: '1' };
  return { ...at, python: { ...at.python, python: PYTHON, env } };
}

/** A torch that sees some devices, and says something as it looks. */
const torch = (cuda: string, devices: string[] = [], says = '') => `
import types, warnings
__version__ = "2.5.1+x"
version = types.SimpleNamespace(cuda=${cuda}, hip=None)
def available():
    ${says === '' ? 'pass' : `warnings.warn(${JSON.stringify(says)})`}
    return ${devices.length > 0 ? 'True' : 'False'}
cuda = types.SimpleNamespace(is_available=available, device_count=lambda: ${devices.length},
    get_device_properties=lambda at: types.SimpleNamespace(name=${JSON.stringify(devices)}[at], total_memory=25769803776))
`;
const OTHERS = { torchvision: '__version__ = "0.20.1+x"', torchaudio: '__version__ = "2.5.1+x"' };
const ASKED = { env: { CUDA_VISIBLE_DEVICES: '0' } };

describe.skipIf(without)('a real Python', () => {
  test('imports all three in one process, whatever they print', async () => {
    const chatter = 'print("{ hello")';
    const at = packages({ torch: torch('None'), ...OTHERS, torchaudio: `${chatter}\n${OTHERS.torchaudio}` });
    const result = await look(torchImport, at);
    expect(result).toMatchObject({ verdict: 'pass', severity: 'error' });
    expect(result.message).toBe('torch 2.5.1+x, torchvision 0.20.1+x, torchaudio 2.5.1+x');
    expect(await look(torchCuda, at)).toMatchObject({ verdict: 'skip' });
  });

  test.each([
    ['torch', 'raise ImportError("libcudart.so.12: cannot open shared object file")', 'libcudart.so.12'],
    ['torchvision', 'raise RuntimeError("operator torchvision::nms does not exist")', 'nms does not exist'],
    ['torchaudio', 'import sys; sys.exit(3)', 'SystemExit'],
  ])('%s that cannot be imported is named, with its reason', async (name, source, reason) => {
    const result = await look(torchImport, packages({ torch: torch('None'), ...OTHERS, [name]: source }));
    expect(result).toMatchObject({ verdict: 'fail' });
    expect(result.message).toMatch(new RegExp(`^import ${name}: .*${reason}`));
  });

  test('a Python that crashes, and one without them', async () => {
    const crash = packages(
      { torch: 'import os, signal; os.kill(os.getpid(), signal.SIGILL)', ...OTHERS },
      ASKED,
    );
    const result = await look(torchImport, crash);
    expect(result).toMatchObject({ verdict: 'fail' });
    expect(result.message).toContain('SIGILL');
    expect(await look(torchCuda, crash)).toMatchObject({ verdict: 'unknown' });
    const none = packages({ torch: 'import does_not_exist_at_all' });
    expect(await look(torchImport, none)).toMatchObject({ verdict: 'fail' });
  });

  test.each<[string, string, string, string]>([
    ['a build for the CPU', torch('None'), 'fail', 'build for the CPU'],
    ['no device, and why', torch('"12.4"', [], 'The NVIDIA driver is too old'), 'fail', 'driver is too old'],
    ['one device', torch('"12.4"', ['RTX 3090']), 'pass', '0: RTX 3090, 24.0 GiB; built for 12.4'],
    ['a device that is too new', torch('"12.4"', ['RTX 5090'], 'sm_120 is not compatible'), 'fail', 'sm_120'],
    ['no torch', 'raise ImportError("x")', 'unknown', 'could not be imported'],
  ])('where a GPU is asked for: %s', async (_name, source, verdict, words) => {
    const result = await look(torchCuda, packages({ torch: source, ...OTHERS }, ASKED));
    expect(result).toMatchObject({ verdict, severity: 'warning' });
    expect(result.message).toContain(words);
  });

  test('what a package says of itself at its import says nothing of the GPU', async () => {
    const torchvision = `import warnings; warnings.warn("image.so")\n${OTHERS.torchvision}`;
    const at = packages({ torch: torch('"12.4"', ['RTX 3090']), ...OTHERS, torchvision }, ASKED);
    expect(await look(torchCuda, at)).toMatchObject({ verdict: 'pass' });
  });

  test('writes into each folder as ComfyUI’s user, and leaves nothing behind', async () => {
    const at = packages({});
    expect(await look(volumesWrite, at)).toMatchObject({ verdict: 'pass' });
    const stranger = { uid: 54_321, gid: 54_321 };
    if (process.getuid?.() !== 0) return;
    for (const name of ['input', 'temp', 'user']) chmodSync(join(at.comfyui, name), 0o777);
    const other = { ...at, owner: stranger, python: { ...at.python, python: realPython(), user: stranger } };
    const result = await look(volumesWrite, other);
    expect(result).toMatchObject({ verdict: 'fail' });
    expect(result.message).toBe(`user 54321 could not write into ${join(at.comfyui, 'output')} (EACCES)`);
    expect(result.remedy).toContain('chown -R 54321:54321');
  });
});

/** A Python that any user may run: the first on PATH may stand in root's home. */
const realPython = () =>
  ['/usr/bin/python3', PYTHON].find(
    (path) => spawnSync(path, ['-V'], { uid: 54_321, gid: 54_321 }).status === 0,
  ) ?? PYTHON;

test('a Python that answers something else is unknown, never a pass', async () => {
  const at = world(ASKED);
  const program = lay(join(at.folder, 'python'), '#!/bin/sh\necho \'{"imports": {}}\'\n', 0o755);
  const odd = { ...at, python: { ...at.python, python: program } };
  for (const check of [torchImport, torchCuda, volumesWrite])
    expect(await look(check, odd)).toMatchObject({ verdict: 'unknown' });
});
