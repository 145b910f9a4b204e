import { readdirSync } from 'node:fs';
import { errnoOf } from '../../src/store/system-call.ts';
import { exitOfErrno, Refusal } from '../exit.ts';
import type { PythonFacts } from '../python.ts';
import { type LockedPackage, normalName, normalVersion, type TorchLock } from './lock-file.ts';

interface Wheel {
  file: string;
  name: string;
  version: string;
  pythons: string[];
  abis: string[];
  platforms: string[];
}

/** Reads `name-version[-build]-python-abi-platform.whl`; undefined for any other name. */
function parseWheel(file: string): Wheel | undefined {
  const parts = file.replace(/\.whl$/, '').split('-');
  if (!file.endsWith('.whl') || parts.length < 5 || parts.length > 6) return undefined;
  const [name = '', version = ''] = parts;
  const [pythons = [], abis = [], platforms = []] = parts.slice(-3).map((part) => part.split('.'));
  return { file, name: normalName(name), version: normalVersion(version), pythons, abis, platforms };
}

/** Whether a Python can use a wheel, as far as its name tells; the installer looks closer. */
function fits({ pythons, abis, platforms }: Wheel, { tag, machine }: PythonFacts): boolean {
  // Python without its lock (`t`) is of another ABI; a debug build (`d`) is of the same.
  const [, own = tag, minor = '', free = ''] = /^(cp3(\d+))(t?)/.exec(tag) ?? [];
  const upTo = (word: string, prefix: string) =>
    word.startsWith(prefix) && Number(word.slice(prefix.length)) <= Number(minor);
  const stable = free === '' && abis.includes('abi3');
  const python = pythons.some((word) => word === own || upTo(word, 'py3') || (stable && upTo(word, 'cp3')));
  const abi = stable || abis.some((word) => word === 'none' || word === `${own}${free}`);
  return python && abi && platforms.some((word) => word === 'any' || word.endsWith(`_${machine}`));
}

/** What a wheelhouse lacks, in one line; undefined where it has a wheel for each package. */
export function lackOfWheelhouse(folder: string, lock: TorchLock, facts: PythonFacts): string | undefined {
  const wheels = readWheels(folder);
  const lacks = lock.packages.flatMap((one) => lackOf(one, wheels, facts) ?? []);
  const [first, ...more] = lacks;
  if (first === undefined) return undefined;
  return `the wheelhouse ${folder} has ${first}${more.length > 0 ? `, and lacks ${more.length} more` : ''}`;
}

function lackOf({ name, version }: LockedPackage, wheels: Wheel[], facts: PythonFacts): string | undefined {
  const named = wheels.filter((wheel) => wheel.name === name);
  const versioned = named.filter((wheel) => wheel.version === version);
  if (versioned.some((wheel) => fits(wheel, facts))) return undefined;
  const [other] = versioned;
  if (other !== undefined) {
    return `no wheel of ${name}==${version} for ${facts.tag} on ${facts.machine}, only ${other.file}`;
  }
  const [otherVersion] = named;
  const instead = otherVersion === undefined ? '' : `, only ${otherVersion.version}`;
  return `no wheel of ${name}==${version}${instead}`;
}

function readWheels(folder: string): Wheel[] {
  try {
    return readdirSync(folder).flatMap((file) => parseWheel(file) ?? []);
  } catch (error) {
    throw new Refusal({
      code: 'wheelhouse-unreadable',
      exit: exitOfErrno(errnoOf(error)),
      message: `TORCH_WHEELHOUSE: ${folder} cannot be read (${errnoOf(error)})`,
      remedy: 'make the folder readable by the container’s first process',
    });
  }
}
