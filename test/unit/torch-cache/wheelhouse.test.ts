import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { PythonFacts } from '../../../entrypoint/python.ts';
import type { TorchLock } from '../../../entrypoint/torch-cache/lock-file.ts';
import { lackOfWheelhouse } from '../../../entrypoint/torch-cache/wheelhouse.ts';

const lock: TorchLock = {
  path: '/torch.lock',
  packages: [{ name: 'torch', version: '2.5.1', hashes: [] }],
  extraIndexUrls: [],
  backend: 'default',
};

/** Whether a Python can use a wheel of these tags. */
function takes(tag: string, wheel: string): boolean {
  const folder = mkdtempSync(join(tmpdir(), 'wheelhouse-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, `torch-2.5.1-${wheel}-linux_x86_64.whl`), '');
  const facts: PythonFacts = {
    version: '',
    tag,
    machine: 'x86_64',
    libc: '',
    sitePackages: '',
    versions: {},
  };
  return lackOfWheelhouse(folder, lock, facts) === undefined;
}

test.each([
  ['cp313', 'cp313-cp313', true],
  ['cp313', 'cp313-cp313t', false],
  ['cp313t', 'cp313-cp313t', true],
  ['cp313t', 'cp313-cp313', false],
  ['cp313d', 'cp313-cp313', true],
  ['cp313', 'cp310-abi3', true],
  ['cp313t', 'cp310-abi3', false],
  ['cp313t', 'py3-none', true],
  ['cp313', 'cp312-cp312', false],
  ['cp31', 'cp313-cp313', false],
])('%s and a wheel for %s: %s', (tag, wheel, taken) => {
  expect(takes(tag, wheel)).toBe(taken);
});
