import { isAbsolute, join, resolve } from 'node:path';
import { readRegular } from '../../src/store/read-file.ts';
import { text } from '../environment.ts';
import { Refusal } from '../exit.ts';
import { shellWords } from '../shell-words.ts';
import { fail, type PreflightCheck, pass, skip } from './check.ts';
import { comfyUiFolders } from './folders.ts';
import { modelFault } from './model-file.ts';

const NAMED = 5;
const MAX_LIST_BYTES = 1024 * 1024;

/** What the environment says to the checks alone. */
export interface PreflightSettings {
  /** The list of models, as words; `@path` stands for a file that holds one a line. */
  modelsRequired: string[];
}

/** Reads MODELS_REQUIRED. Throws a `Refusal` (78) where it cannot be read as words. */
export function readPreflightSettings(env: NodeJS.ProcessEnv): PreflightSettings {
  const words = shellWords(text(env, 'MODELS_REQUIRED') ?? '');
  if (words !== undefined) return { modelsRequired: words.filter((word) => word !== '') };
  throw listUnusable('has a quote that is never closed', 'write MODELS_REQUIRED as words of a shell');
}

const listUnusable = (why: string, remedy: string) =>
  new Refusal({ code: 'setting-invalid', message: `MODELS_REQUIRED ${why}`, remedy });

/** The models that the operator listed are there, and whole as far as a look at their beginning tells. */
export const models: PreflightCheck = {
  id: 'models',
  severity: 'error',
  run(world) {
    const { modelsRequired } = readPreflightSettings(world.env);
    if (modelsRequired.length === 0) return skip('MODELS_REQUIRED is not set');
    const folder = comfyUiFolders(world).models;
    const names = modelsRequired.flatMap((word) =>
      word.startsWith('@') ? listed(resolve(world.settings.comfyuiDir, word.slice(1))) : [word],
    );
    const faults = [...new Set(names)].flatMap((name) => {
      const fault = modelFault(pathOf(folder, name));
      return fault === undefined ? [] : [`${name} ${fault}`];
    });
    if (faults.length === 0) return pass(`${names.length} models in ${folder}`);
    const more = faults.length > NAMED ? `; and ${faults.length - NAMED} more` : '';
    return fail(
      `${faults.length} of ${names.length} models in ${folder}: ${faults.slice(0, NAMED).join('; ')}${more}`,
      'download them there again, or correct MODELS_REQUIRED (paths relative to models/, or absolute ones)',
    );
  },
};

/** The lines of a list, without comments; trimmed, which takes a BOM away too. */
function listed(path: string): string[] {
  const found = readRegular(path, { follow: true, maxBytes: MAX_LIST_BYTES });
  if (found.kind !== 'file') {
    const why =
      found.kind === 'missing'
        ? 'is not there'
        : found.kind === 'unreadable'
          ? `cannot be read (${found.code})`
          : `is ${found.what}`;
    throw listUnusable(`names the list ${path}, which ${why}`, 'mount the list there, one path a line');
  }
  const lines = found.bytes.toString('utf8').split(/\r?\n/);
  return lines.map((line) => line.trim()).filter((line) => line !== '' && !line.startsWith('#'));
}

function pathOf(folder: string, name: string): string {
  if (isAbsolute(name)) return name;
  const path = join(folder, name);
  if (path.startsWith(`${folder}/`)) return path;
  throw listUnusable(
    'has a path that leads out of models/',
    'write it relative to models/, or as an absolute path',
  );
}
