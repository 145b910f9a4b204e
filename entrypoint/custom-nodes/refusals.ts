import { statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Failure } from '../../src/model/failure.ts';
import { errnoOf } from '../../src/store/system-call.ts';
import { ContainerExit, exitOfErrno, Refusal } from '../exit.ts';

/** A node that could not be put among the others, in the words of its refusal. */
export interface Unplaced {
  code: string;
  /** The name of its folder, e.g. `ComfyUI-Login`. */
  name: string;
  /** What that means, e.g. `ComfyUI would load no login node, and none can be put into`. */
  what: string;
  /** What else may be done, e.g. `put ComfyUI-Login into it`. */
  instead: string;
}

/** A copy that cannot be put there. The volume is the operator's to mend: 74, or 77 where a permission is missing. */
export function notPlaced(failure: Failure, folder: string, node: Unplaced): Refusal {
  const errno = errnoOf(failure.cause);
  return new Refusal({
    code: node.code,
    exit: exitOfErrno(errno),
    message: `${node.what} ${folder}: ${failure.message}`,
    remedy: REMEDIES[errno]?.(folder, node) ?? `look at ${folder} and its disk, or ${node.instead}`,
    cause: failure,
  });
}

const allow = (folder: string) => `let ComfyUI’s user write in ${folder}: make it, and chown it to that user`;
const REMEDIES: Readonly<Record<string, (folder: string, node: Unplaced) => string>> = {
  EROFS: (folder, { instead }) => `mount ${folder} writable, or ${instead}`,
  ENOSPC: (folder) => `free some space on the volume of ${folder}`,
  EDQUOT: (folder) => `free some of the quota on the volume of ${folder}`,
  EACCES: allow,
  EPERM: allow,
  EBUSY: (folder, { name }) =>
    `remove the mount on ${join(folder, name)}, or mount a folder with ${name} there`,
};

/** Refuses a folder of custom nodes that cannot be made: a wrong `--base-directory`, or a volume that is not there. */
export function checkCanHold(folder: string): void {
  if (canHold(folder)) return;
  throw new Refusal({
    code: 'custom-nodes-missing',
    exit: ContainerExit.config,
    message: `ComfyUI is to load custom nodes from ${folder}, which is no folder`,
    remedy: `make ${folder}, or correct --base-directory or the extra_model_paths file that names it`,
  });
}

/** A folder, or one that can be made: nothing stands in its place, and there is a folder around it. */
function canHold(folder: string): boolean {
  const isFolder = (path: string) => statSync(path, { throwIfNoEntry: false })?.isDirectory();
  try {
    return isFolder(folder) ?? isFolder(dirname(folder)) ?? false;
  } catch {
    // What may not even be looked at is told by the writing itself.
    return true;
  }
}
