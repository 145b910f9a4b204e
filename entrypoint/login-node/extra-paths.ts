import { dirname, resolve } from 'node:path';
import { readRegular } from '../../src/store/read-file.ts';
import { expandPath, type PathUser } from './python-paths.ts';

/** A real one has a few kB. */
const MAX_BYTES = 256 * 1024;

/** A folder with custom nodes that an extra_model_paths file adds. */
export interface ExtraFolder {
  path: string;
  /** `is_default`: it is searched before those that were there. */
  first: boolean;
}

export interface ExtraPaths {
  folders: ExtraFolder[];
  /** Why ComfyUI will most likely not take this file: it ends where it cannot read one. */
  fault?: string;
}

/** A file that ComfyUI could not read, in words. */
class Unusable extends Error {}

/**
 * The custom_nodes folders of one extra_model_paths file, as ComfyUI reads it (utils/extra_config.py): sections
 * with `base_path` (variables and `~` expanded) and `is_default`, several lines in one value, a relative path
 * beside the file. Never throws: ComfyUI itself will say what is wrong with the file, and the proof comes after.
 */
export async function readExtraPaths(path: string, user: PathUser): Promise<ExtraPaths> {
  const folders: ExtraFolder[] = [];
  try {
    const config = await parseYaml(path);
    if (!(config instanceof Map)) throw new Unusable('holds no sections');
    for (const [name, section] of config) folders.push(...foldersOf(String(name), section, path, user));
    return { folders };
  } catch (error) {
    // A reader that gives up on depth or aliases counts as one that cannot read the file, too.
    const fault = error instanceof Unusable ? error.message : 'is no YAML that can be read';
    return { folders, fault };
  }
}

async function parseYaml(path: string): Promise<unknown> {
  const found = readRegular(path, { follow: true, maxBytes: MAX_BYTES });
  if (found.kind === 'missing') throw new Unusable('is not there');
  if (found.kind === 'not-a-file') throw new Unusable(`is ${found.what}, not a file`);
  if (found.kind === 'unreadable') throw new Unusable(`cannot be read (${found.code})`);
  const text = new TextDecoder('utf-8', { fatal: true }).decode(found.bytes);
  // Only where there is such a file: the parser is larger than all the rest of the entrypoint.
  const { parse } = await import('yaml');
  // As PyYAML: YAML 1.1, and of two equal keys the last one counts. A Map keeps their order.
  return parse(text, { version: '1.1', uniqueKeys: false, mapAsMap: true, logLevel: 'error' });
}

function foldersOf(name: string, section: unknown, path: string, user: PathUser): ExtraFolder[] {
  if (section === null) return [];
  if (!(section instanceof Map)) throw new Unusable(`has a section ${name} without keys`);
  const beside = dirname(path);
  const given: unknown = section.get('base_path');
  if (section.has('base_path') && typeof given !== 'string') {
    throw new Unusable(`has a base_path in ${name} that is no text`);
  }
  const base = typeof given === 'string' ? resolve(beside, expandPath(given, user)) : beside;
  const first = isTrue(section.get('is_default'));
  for (const [key, value] of section) {
    if (key === 'base_path' || key === 'is_default' || typeof value === 'string') continue;
    throw new Unusable(`has a ${key} in ${name} that is no text`);
  }
  const nodes: unknown = section.get('custom_nodes');
  if (typeof nodes !== 'string') return [];
  const lines = nodes.split('\n').filter((line) => line !== '');
  return lines.map((line) => ({ path: resolve(base, line), first }));
}

/** As Python sees it: an empty collection is false, and any text that is not empty is true, `"false"` too. */
function isTrue(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0;
  return value instanceof Map ? value.size > 0 : Boolean(value);
}
