import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Packs `[[file, {path: text}], …]` of its stdin. */
const PACK = `
import json, sys, zipfile
for file, members in json.load(sys.stdin):
    with zipfile.ZipFile(file, "w") as wheel:
        for path, text in members.items():
            # The same bytes at any time: the lock knows them by their hash.
            member = zipfile.ZipInfo(path, (2024, 1, 1, 0, 0, 0))
            member.external_attr = 0o644 << 16
            wheel.writestr(member, text)
`;

export interface Wheel {
  name: string;
  version: string;
  /** Other than `py3-none-any`. */
  tag?: string;
  /** Modules besides `__init__.py`. */
  files?: Record<string, string>;
  init?: string;
}

const fileOf = ({ name, version, tag = 'py3-none-any' }: Wheel) => `${name}-${version}-${tag}.whl`;

function membersOf({ name, version, tag = 'py3-none-any', files = {}, init = '' }: Wheel) {
  const info = `${name}-${version}.dist-info`;
  const members: Record<string, string> = {
    [`${name}/__init__.py`]: `__version__ = ${JSON.stringify(version)}\n${init}`,
    ...Object.fromEntries(Object.entries(files).map(([path, text]) => [`${name}/${path}`, text])),
    [`${info}/METADATA`]: `Metadata-Version: 2.1\nName: ${name}\nVersion: ${version}\n`,
    [`${info}/WHEEL`]: `Wheel-Version: 1.0\nGenerator: by-hand\nRoot-Is-Purelib: true\nTag: ${tag}\n`,
  };
  const record = [...Object.keys(members), `${info}/RECORD`].map((path) => `${path},,\n`).join('');
  return { ...members, [`${info}/RECORD`]: record };
}

/** Writes wheels into a folder. */
export function writeWheels(folder: string, wheels: readonly Wheel[]): void {
  mkdirSync(folder, { recursive: true });
  const packed = wheels.map((wheel) => [join(folder, fileOf(wheel)), membersOf(wheel)]);
  execFileSync('python3', ['-c', PACK], { input: JSON.stringify(packed) });
}

/** A lock of wheels that stand in a folder. */
export function lockOf(folder: string, wheels: readonly Wheel[]): string {
  return wheels
    .map((wheel) => {
      const bytes = readFileSync(join(folder, fileOf(wheel)));
      const hash = createHash('sha256').update(bytes).digest('hex');
      return `${wheel.name}==${wheel.version} \\\n    --hash=sha256:${hash}\n    # via the test\n`;
    })
    .join('');
}

/** PyTorch in small: the three, and a package that torch needs. */
export function torchWheels(version = '2.5.1', backend = '+cpu'): Wheel[] {
  const many = Array.from({ length: 40 }, (_, index) => [`part_${index}.py`, `VALUE = ${index}\n`]);
  return [
    { name: 'tinydep', version: '1.0' },
    {
      name: 'torch',
      version: `${version}${backend}`,
      init: 'import tinydep\n',
      files: Object.fromEntries(many) as Record<string, string>,
    },
    { name: 'torchvision', version: `0.${version}${backend}`, init: 'import torch\n' },
    { name: 'torchaudio', version: `${version}${backend}`, init: 'import torch\n' },
  ];
}
