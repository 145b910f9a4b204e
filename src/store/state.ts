import { createHash } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  constants,
  lstatSync,
  mkdirSync,
  openSync,
  realpathSync,
  writeSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { isAbsolute, join, relative, resolve, sep } from 'node:path';
import { Exit, Failure } from '../model/failure.ts';
import { FOLDER_MODE } from './folder.ts';
import { readRegular } from './read-file.ts';
import { attempt, unless } from './system-call.ts';

/** Where journal, lock and backups of one root stand (contract.md, State). It need not exist yet. */
export interface StateFolder {
  path: string;
}

function realOr(path: string): string {
  return unless(['ENOENT', 'ENOTDIR', 'EACCES'], () => realpathSync(path)) ?? resolve(path);
}

function liesIn(path: string, folder: string): boolean {
  const way = relative(realOr(folder), realOr(path));
  return way.split(sep)[0] !== '..' && !isAbsolute(way);
}

/**
 * The state folder of a root: `$COMFYUI_AUTH_STATE`, else `.comfyui-auth` in the root; for a root in the workspace
 * of a job a folder in `$XDG_STATE_HOME`, since the next checkout deletes what is untracked. Touches nothing.
 */
export function stateFolder(root: string, env: NodeJS.ProcessEnv): StateFolder {
  if (env.COMFYUI_AUTH_STATE) return { path: resolve(env.COMFYUI_AUTH_STATE) };
  if (env.GITHUB_WORKSPACE && liesIn(root, env.GITHUB_WORKSPACE)) {
    const base = env.XDG_STATE_HOME || join(env.HOME || homedir(), '.local', 'state');
    const hash = createHash('sha256').update(realOr(root)).digest('hex').slice(0, 16);
    return { path: join(base, 'comfyui-auth', hash) };
  }
  return { path: join(resolve(root), '.comfyui-auth') };
}

/** Keeps git away from what stands in the folder. Written in one call; an empty one is the trace of a kill. */
function writeGitignore(path: string): void {
  const found = readRegular(path);
  if (found.kind !== 'missing' && (found.kind !== 'file' || found.bytes.length > 0)) return;
  const flags = constants.O_WRONLY | constants.O_CREAT | (constants.O_NOFOLLOW ?? 0);
  attempt('write it', path, () => {
    const fd = openSync(path, flags, 0o600);
    try {
      writeSync(fd, '*\n');
    } finally {
      closeSync(fd);
    }
  });
}

/** Makes the state folder (0700), where a command is about to write. Throws a Failure where that fails. */
export function makeStateFolder(state: StateFolder): void {
  attempt('make the state folder', state.path, () =>
    mkdirSync(state.path, { recursive: true, mode: FOLDER_MODE }),
  );
  const stats = attempt('look at it', state.path, () => lstatSync(state.path));
  if (!stats.isDirectory()) {
    throw new Failure({
      code: 'state-folder',
      exit: Exit.usage,
      message: `${state.path}: the state folder is not a folder`,
      remedy: 'Move it away, or name another one in COMFYUI_AUTH_STATE.',
      location: { path: state.path },
    });
  }
  if ((stats.mode & 0o077) !== 0 && process.platform !== 'win32') {
    attempt('close it to others', state.path, () => chmodSync(state.path, FOLDER_MODE));
  }
  writeGitignore(join(state.path, '.gitignore'));
}
