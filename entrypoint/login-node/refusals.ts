import { basename, dirname, join } from 'node:path';
import type { Failure } from '../../src/model/failure.ts';
import { errnoOf } from '../../src/store/system-call.ts';
import type { ComfyUiArgs } from '../comfyui-args.ts';
import { ContainerExit, exitOfErrno, Refusal } from '../exit.ts';
import { NODE_NAME } from './restore.ts';
import { MARK, type Survey, surveyLoginNodes } from './survey.ts';

const INSTALL =
  'git clone https://github.com/liusida/ComfyUI-Login into custom_nodes, and install its requirements.txt';

/** Where ComfyUI looks, and what it would find there. */
export interface Search {
  comfyuiDir: string;
  args: ComfyUiArgs;
  folders: readonly [string, ...string[]];
  survey: Survey;
}

/** Why ComfyUI would load no login node, where none can be restored: it would serve anyone (container.md §1). */
export function notFound(search: Search): Refusal {
  const { broken, excluded, disabled, unreadable, loose } = search.survey;
  if (broken[0] !== undefined) return notWhole(broken[0]);
  if (excluded[0] !== undefined) return leftOut(basename(excluded[0]));
  if (disabled[0] !== undefined) return isDisabled(disabled[0]);
  if (unreadable[0] !== undefined) return notReadable(unreadable[0]);
  if (loose[0] !== undefined) return isLoose(loose[0]);
  return absent(search);
}

const notWhole = (folder: string) =>
  new Refusal({
    code: 'login-node-broken',
    message: `${folder} has no __init__.py: ComfyUI cannot load the login node, and would serve anyone`,
    remedy: INSTALL,
  });

/** `--disable-all-custom-nodes` is the operator's word: nothing is restored against it (container.md O10). */
export const leftOut = (name: string): Refusal =>
  new Refusal({
    code: 'login-node-disabled',
    message: '--disable-all-custom-nodes keeps ComfyUI from loading the login node: it would serve anyone',
    remedy: `remove that option, or add --whitelist-custom-nodes ${name}`,
  });

function isDisabled(folder: string): Refusal {
  const aside = basename(dirname(folder)) === '.disabled';
  const enabled = aside ? join(dirname(dirname(folder)), NODE_NAME) : folder.replace(/\.disabled$/, '');
  return new Refusal({
    code: 'login-node-disabled',
    message: `the login node is disabled: ${folder}; ComfyUI would serve anyone`,
    remedy: `mv ${folder} ${enabled}`,
  });
}

const notReadable = ({ path, errno }: Survey['unreadable'][number]) =>
  new Refusal({
    code: 'login-node-missing',
    exit: exitOfErrno(errno),
    message: `no login node is found, and ${path} cannot be read (${errno}): ComfyUI could serve anyone`,
    remedy: `make ${path} readable for ComfyUI’s user (ls -ld shows owner and mode)`,
  });

const isLoose = (path: string) =>
  new Refusal({
    code: 'login-node-broken',
    message: `${path} stands among the custom nodes, not in a folder of its own: the login node cannot work so`,
    remedy: `move its files into ${join(dirname(path), NODE_NAME)}`,
  });

function absent({ comfyuiDir, folders }: Search): Refusal {
  const usual = join(comfyuiDir, 'custom_nodes');
  const aside = folders.includes(usual) ? undefined : surveyLoginNodes([usual], undefined).loaded[0];
  const where = folders.join(', ');
  if (aside === undefined) {
    return new Refusal({
      code: 'login-node-missing',
      message: `ComfyUI-Login is not installed: no folder in ${where} has a password.py with ${MARK}`,
      remedy: INSTALL,
    });
  }
  return new Refusal({
    code: 'login-node-missing',
    message: `--base-directory makes ComfyUI load custom nodes from ${where}, and the login node stands in ${aside}`,
    remedy: `move ${aside} to ${folders[0]}, or remove --base-directory`,
  });
}

/** A copy that cannot be put there. The volume is the operator's to mend: 74, or 77 where a permission is missing. */
export function notRestored(failure: Failure, folder: string): Refusal {
  const errno = errnoOf(failure.cause);
  return new Refusal({
    code: 'login-node-not-restored',
    exit: exitOfErrno(errno),
    message: `ComfyUI would load no login node, and none can be put into ${folder}: ${failure.message}`,
    remedy: REMEDIES[errno]?.(folder) ?? `look at ${folder} and its disk, or put ComfyUI-Login into it`,
    cause: failure,
  });
}

const allow = (folder: string) => `let ComfyUI’s user write in ${folder}: make it, and chown it to that user`;
const REMEDIES: Readonly<Record<string, (folder: string) => string>> = {
  EROFS: (folder) => `mount ${folder} writable, or put ComfyUI-Login into it`,
  ENOSPC: (folder) => `free some space on the volume of ${folder}`,
  EDQUOT: (folder) => `free some of the quota on the volume of ${folder}`,
  EACCES: allow,
  EPERM: allow,
  EBUSY: (folder) =>
    `remove the mount on ${join(folder, NODE_NAME)}, or mount a folder with ComfyUI-Login there`,
};

/** A folder of custom nodes that cannot be made: a wrong `--base-directory`, or a volume that is not there. */
export const noFolder = (folder: string): Refusal =>
  new Refusal({
    code: 'custom-nodes-missing',
    exit: ContainerExit.config,
    message: `ComfyUI is to load custom nodes from ${folder}, which is no folder`,
    remedy: `make ${folder}, or correct --base-directory or the extra_model_paths file that names it`,
  });

export const notACopy = (copy: string): Refusal =>
  new Refusal({
    code: 'setting-invalid',
    message: `LOGIN_NODE_COPY: ${copy} is no folder with ComfyUI-Login (__init__.py, and a password.py with ${MARK})`,
    remedy: 'name the folder of a whole ComfyUI-Login in LOGIN_NODE_COPY, or build the image again',
  });
