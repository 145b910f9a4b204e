import { createHash } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  constants,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  writeSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import { Exit, Failure } from '../model/failure.ts';
import { liesIn } from '../model/path.ts';
import { realPath } from '../platform/real-path.ts';
import { FOLDER_MODE } from './folder.ts';
import { readRegular } from './read-file.ts';
import { attempt } from './system-call.ts';

/** Where journal, lock and backups of one root stand (contract.md, State). It need not exist yet. */
export interface StateFolder {
  path: string;
}

/** Whether a path lies in a folder, or is it, wherever links lead. */
export function reallyLiesIn(path: string, folder: string): boolean {
  return liesIn(realPath(path), realPath(folder));
}

/**
 * The state folder of a root: `$COMFYUI_AUTH_STATE`, else `.comfyui-auth` in the root; for a root in the workspace
 * of a job a folder in `$XDG_STATE_HOME`, since the next checkout deletes what is untracked. Touches nothing.
 * Throws a Failure (exit 2) where the variable is relative.
 */
export function stateFolder(root: string, env: NodeJS.ProcessEnv): StateFolder {
  const named = env.COMFYUI_AUTH_STATE;
  if (named && isAbsolute(named)) return { path: resolve(named) };
  if (named) {
    // Relative to the working folder, the next run would look for the lock and the journal elsewhere.
    throw refusal('COMFYUI_AUTH_STATE is no absolute path', 'Write it from the root on: /…');
  }
  if (env.GITHUB_WORKSPACE && reallyLiesIn(root, env.GITHUB_WORKSPACE)) {
    const base = env.XDG_STATE_HOME || join(env.HOME || homedir(), '.local', 'state');
    const hash = createHash('sha256').update(realPath(root)).digest('hex').slice(0, 16);
    return { path: join(base, 'comfyui-auth', hash) };
  }
  return { path: join(resolve(root), '.comfyui-auth') };
}

const GITIGNORE = '*\n';

/** Keeps git away from what stands in the folder. Written in one call; an empty one is the trace of a kill. */
function writeGitignore(path: string): void {
  const found = readRegular(path);
  if (found.kind !== 'missing' && (found.kind !== 'file' || found.bytes.length > 0)) return;
  const flags = constants.O_WRONLY | constants.O_CREAT | (constants.O_NOFOLLOW ?? 0);
  attempt('write it', path, () => {
    const fd = openSync(path, flags, 0o600);
    try {
      writeSync(fd, GITIGNORE);
    } finally {
      closeSync(fd);
    }
  });
}

const refusal = (message: string, remedy: string, path?: string): Failure =>
  new Failure({
    code: 'state-folder',
    exit: Exit.usage,
    message,
    remedy,
    ...(path !== undefined && { location: { path } }),
  });

const OUR_NAMES = /^(?:\.gitignore|lock|lock\.held|backups|journal\.json|journal\.new)$/;

/** Whether nobody else keeps anything in a folder: it is empty, or was a state folder before. */
function isOurs(path: string): boolean {
  const gitignore = readRegular(join(path, '.gitignore'), { maxBytes: 1000 });
  if (gitignore.kind === 'file' && gitignore.bytes.toString('utf8') === GITIGNORE) return true;
  return attempt('look into it', path, () => readdirSync(path)).every((name) => OUR_NAMES.test(name));
}

/**
 * Makes the state folder (0700), where a command is about to write. Throws a Failure where that fails; exit 2 where
 * something stands there that is no state folder.
 */
export function makeStateFolder(state: StateFolder): void {
  const { path } = state;
  attempt('make the state folder', path, () => mkdirSync(path, { recursive: true, mode: FOLDER_MODE }));
  const stats = attempt('look at it', path, () => lstatSync(path));
  if (!stats.isDirectory()) {
    const remedy = 'Move it away, or name another one in COMFYUI_AUTH_STATE.';
    throw refusal(`${path}: the state folder is not a folder`, remedy, path);
  }
  if (!isOurs(path)) {
    throw refusal(
      `${path}: holds files of others; as the state folder it would be closed to them`,
      'Name a folder in COMFYUI_AUTH_STATE that does not exist yet, or an empty one.',
      path,
    );
  }
  if ((stats.mode & 0o077) !== 0 && process.platform !== 'win32') {
    attempt('close it to others', path, () => chmodSync(path, FOLDER_MODE));
  }
  writeGitignore(join(path, '.gitignore'));
}
