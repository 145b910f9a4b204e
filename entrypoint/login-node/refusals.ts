import { basename, dirname, join } from 'node:path';
import type { ComfyUiArgs } from '../comfyui-args.ts';
import type { Unplaced } from '../custom-nodes/refusals.ts';
import { exitOfErrno, Refusal } from '../exit.ts';
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

/** The words for a login node that cannot be put there. */
export const UNPLACED: Unplaced = {
  code: 'login-node-not-restored',
  name: NODE_NAME,
  what: 'ComfyUI would load no login node, and none can be put into',
  instead: 'put ComfyUI-Login into it',
};

export const notACopy = (copy: string): Refusal =>
  new Refusal({
    code: 'setting-invalid',
    message: `LOGIN_NODE_COPY: ${copy} is no folder with ComfyUI-Login (__init__.py, and a password.py with ${MARK})`,
    remedy: 'name the folder of a whole ComfyUI-Login in LOGIN_NODE_COPY, or build the image again',
  });
