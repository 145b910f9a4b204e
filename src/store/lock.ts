import { spawnSync } from 'node:child_process';
import { closeSync, constants, ftruncateSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { Exit, Failure } from '../model/failure.ts';
import { readRegular } from './read-file.ts';
import type { StateFolder } from './state.ts';
import { attempt, errnoOf, exists } from './system-call.ts';
import { ignoring, removeFile, writeAll } from './write-new.ts';

export interface Lock {
  release(): void;
}

const OPEN_FLAGS = constants.O_RDWR | constants.O_CREAT | (constants.O_NOFOLLOW ?? 0);
const CREATE_FLAGS = OPEN_FLAGS | constants.O_EXCL;

/** The line that a holder leaves for others to read: its process and its command, nothing secret. */
const holderLine = (command: string): Buffer => Buffer.from(`process ${process.pid}, ${command}\n`);

function locked(path: string, remedy: string): Failure {
  const found = readRegular(path, { maxBytes: 1000 });
  const holder = (found.kind === 'file' && found.bytes.toString('utf8').trim()) || 'another process';
  return new Failure({
    code: 'locked',
    exit: Exit.unknown,
    message: `${path}: held by ${holder}`,
    remedy,
    location: { path },
  });
}

const waitRemedy = 'Wait until it has ended, then run the same command again.';
const removeRemedy = (path: string) =>
  `Wait until it has ended. Where that process no longer lives, remove ${path}.`;

/** Locks an open file by flock(1): the lock is the descriptor's, so that it ends with our process. */
function flock(fd: number): 'locked' | 'busy' | 'no flock' {
  const result = spawnSync('flock', ['-n', '-x', '3'], {
    stdio: ['ignore', 'ignore', 'ignore', fd],
    env: { PATH: process.env.PATH },
  });
  if (result.status === 0) return 'locked';
  if (result.status === 1) return 'busy';
  if (result.error !== undefined && errnoOf(result.error) === 'ENOENT') return 'no flock';
  const why = result.error === undefined ? `status ${result.status ?? result.signal}` : errnoOf(result.error);
  throw new Failure({
    code: 'lock-failed',
    exit: Exit.rolledBack,
    message: `flock failed (${why}); nothing was changed`,
    remedy: 'Keep the state folder on a file system that can lock (COMFYUI_AUTH_STATE names it).',
  });
}

/** The lock where there is no flock: a file that only one can create. It outlives a kill, and is never stolen. */
function lockByFile(path: string, command: string): Lock {
  let fd: number;
  try {
    fd = openSync(path, CREATE_FLAGS, 0o600);
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') {
      throw locked(path, removeRemedy(path));
    }
    return attempt('create it', path, () => {
      throw error;
    });
  }
  ignoring(() => writeAll(fd, holderLine(command)));
  ignoring(() => closeSync(fd));
  return { release: () => ignoring(() => removeFile(path)) };
}

/**
 * Takes the lock of a state folder for this process, without waiting. Throws a Failure: `locked` names the holder.
 * The lock file of flock is never removed: a second holder could then lock a file that a third no longer sees.
 */
export function acquireLock(state: StateFolder, command: string): Lock {
  const path = join(state.path, 'lock');
  const byFile = join(state.path, 'lock.held');
  const fd = attempt('open it', path, () => openSync(path, OPEN_FLAGS, 0o600));
  const close = () => ignoring(() => closeSync(fd));
  try {
    const answer = flock(fd);
    if (answer === 'busy') throw locked(path, waitRemedy);
    if (answer === 'no flock') {
      close();
      return lockByFile(byFile, command);
    }
    // Somebody who has no flock, in another container perhaps, holds the folder in the other way.
    if (exists(byFile)) throw locked(byFile, removeRemedy(byFile));
  } catch (error) {
    close();
    throw error;
  }
  // The line only informs: the lock holds without it.
  ignoring(() => {
    ftruncateSync(fd, 0);
    writeAll(fd, holderLine(command));
  });
  return {
    release() {
      ignoring(() => ftruncateSync(fd, 0));
      close();
    },
  };
}
