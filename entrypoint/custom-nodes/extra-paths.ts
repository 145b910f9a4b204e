import { dirname, resolve } from 'node:path';
import { readRegular } from '../../src/store/read-file.ts';
import { expandPath, type PathUser } from './python-paths.ts';

/** A real one has a few kB. */
const MAX_BYTES = 64 * 1024;

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

/** Says in words why a file cannot be read. */
class Unusable extends Error {}

/**
 * The custom_nodes folders of one extra_model_paths file, as ComfyUI reads it (utils/extra_config.py): sections
 * with `base_path` (variables and `~` expanded) and `is_default`, several lines in one value, a relative path
 * beside the file. Never throws: ComfyUI itself will say what is wrong with the file, and the proof comes after.
 */
export async function readExtraPaths(path: string, user: PathUser): Promise<ExtraPaths> {
  try {
    const config = await parseYaml(path);
    if (!(config instanceof Map)) throw new Unusable('holds no sections');
    // A section may be empty.
    const sections = [...config].filter(([, section]) => section !== '');
    const folders = sections.flatMap(([, section]) => foldersOf(section, dirname(path), user));
    const fault = sections.map(([name, section]) => faultOf(name, section)).find((one) => one !== undefined);
    return { folders, ...(fault !== undefined && { fault }) };
  } catch (error) {
    // A reader that gives up on depth or aliases counts as one that cannot read the file, too.
    return { folders: [], fault: error instanceof Unusable ? error.message : 'is no YAML that can be read' };
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
  // As PyYAML, of two equal keys the last one counts. Scalars stay text: `base_path: .` is no number to it.
  return parse(text, {
    schema: 'failsafe',
    merge: true,
    uniqueKeys: false,
    mapAsMap: true,
    logLevel: 'error',
  });
}

function foldersOf(section: unknown, beside: string, user: PathUser): ExtraFolder[] {
  if (!(section instanceof Map)) return [];
  const given: unknown = section.get('base_path');
  const nodes: unknown = section.get('custom_nodes');
  const first = isTrue(section.get('is_default'));
  if (typeof nodes !== 'string') return [];
  const base = typeof given === 'string' ? resolve(beside, expandPath(given, user)) : beside;
  const lines = nodes.split('\n').filter((line) => line !== '');
  return lines.map((line) => ({ path: resolve(base, line), first }));
}

/** What ComfyUI ends on: a value that is no text. Nothing behind a key is null to it. */
function faultOf(name: unknown, section: unknown): string | undefined {
  if (!(section instanceof Map)) return `has no keys in ${name}`;
  const wrong = [...section].find(
    ([key, value]) => key !== 'is_default' && (typeof value !== 'string' || value === ''),
  );
  return wrong === undefined ? undefined : `has no text behind ${wrong[0]} in ${name}`;
}

const FALSE = /^(?:|~|null|false|no|off|0)$/i;

/** As Python sees what YAML makes of it; absent is false. */
const isTrue = (value: unknown) => typeof value === 'string' && !FALSE.test(value);
