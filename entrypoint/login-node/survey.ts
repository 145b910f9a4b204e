import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { readRegular } from '../../src/store/read-file.ts';
import { errnoOf } from '../../src/store/system-call.ts';

/** ComfyUI-Login is known by what it does, not by the name of its folder. */
export const MARK = 'check_login_status';
const MAX_MODULE_BYTES = 1024 * 1024;

/** Where ComfyUI-Manager puts what it disables; newer versions move a node there, older ones rename it. */
const DISABLED_FOLDER = '.disabled';

/** Every login node in some folders of custom nodes, by what ComfyUI will do with it. */
export interface Survey {
  /** Whole, and ComfyUI loads it. */
  loaded: string[];
  /** Whole, and left out by `--disable-all-custom-nodes`. */
  excluded: string[];
  /** Whole, and under a name that ComfyUI does not load. */
  disabled: string[];
  /** Without its `__init__.py`: ComfyUI fails to load it. */
  broken: string[];
  /** A password.py right in a folder of custom nodes, which ComfyUI loads as a node of its own. */
  loose: string[];
  /** What could not be looked at. */
  unreadable: { path: string; errno: string }[];
}

/** Looks through the folders as ComfyUI does (nodes.py, init_external_custom_nodes). Never throws. */
export function surveyLoginNodes(
  folders: readonly string[],
  onlyNodes: readonly string[] | undefined,
): Survey {
  const survey: Survey = {
    loaded: [],
    excluded: [],
    disabled: [],
    broken: [],
    loose: [],
    unreadable: [],
  };
  for (const folder of folders) {
    for (const name of entries(folder, survey)) {
      const path = join(folder, name);
      if (name === 'password.py' && hasMark(path, survey)) survey.loose.push(path);
      if (hasMark(join(path, 'password.py'), survey)) survey[kindOf(path, name, onlyNodes)].push(path);
    }
    const aside = join(folder, DISABLED_FOLDER);
    const asides = entries(aside, survey).map((name) => join(aside, name));
    survey.disabled.push(...asides.filter((path) => hasMark(join(path, 'password.py'), survey)));
  }
  return { ...survey, disabled: survey.disabled.filter(isWhole) };
}

function kindOf(path: string, name: string, onlyNodes: readonly string[] | undefined) {
  if (name.endsWith('.disabled')) return 'disabled';
  if (!isWhole(path)) return 'broken';
  return (onlyNodes?.includes(name) ?? true) ? 'loaded' : 'excluded';
}

/** Whether a folder holds a login node that can be loaded. */
export const isLoginNode = (folder: string): boolean =>
  isWhole(folder) && moduleText(folder, 'password.py').includes(MARK);

const isWhole = (folder: string) =>
  readRegular(join(folder, '__init__.py'), { follow: true, maxBytes: MAX_MODULE_BYTES }).kind === 'file';

function moduleText(folder: string, name: string): Buffer {
  const found = readRegular(join(folder, name), { follow: true, maxBytes: MAX_MODULE_BYTES });
  return found.kind === 'file' ? found.bytes : Buffer.alloc(0);
}

/** A file among the nodes has nothing below it, and no login node is that large: both are no failures to read. */
const ABSENT = ['ENOENT', 'ENOTDIR', 'ENAMETOOLONG', 'ELOOP', 'EFBIG'];

function hasMark(path: string, { unreadable }: Survey): boolean {
  const found = readRegular(path, { follow: true, maxBytes: MAX_MODULE_BYTES });
  if (found.kind === 'unreadable' && !ABSENT.includes(found.code)) {
    unreadable.push({ path, errno: found.code });
  }
  return found.kind === 'file' && found.bytes.includes(MARK);
}

function entries(folder: string, { unreadable }: Survey): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => name !== '__pycache__')
      .sort();
  } catch (error) {
    const errno = errnoOf(error);
    if (!ABSENT.includes(errno)) unreadable.push({ path: folder, errno });
    return [];
  }
}
