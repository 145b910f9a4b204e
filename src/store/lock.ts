import { spawnSync } from 'node:child_process';
import { closeSync, constants, ftruncateSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { Exit, Failure } from '../model/failure.ts';
import type { Clock } from '../platform/clock.ts';
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

/** The Failure for a Linux without flock: a lock file would not see who holds the lock by flock, nor be freed by a kill. */
const noFlock = () =>
  new Failure({
    code: 'flock-missing',
    exit: Exit.usage,
    message: 'flock is not on PATH; without it two runs could write at once. Nothing was changed',
    remedy: 'Install util-linux, which holds flock, or put its folder on PATH.',
  });

/** Where a system keeps its own programs: for whoever must not run what another user has put on PATH. */
export const SYSTEM_PATH = '/usr/bin:/bin:/usr/sbin:/sbin:/usr/local/bin';

/**
 * Locks an open file or folder by flock(1), without waiting: the lock is the descriptor's, so that it ends with our
 * process. `path` is where flock is looked for. Throws a Failure (`flock-missing`, `lock-failed`).
 */
export function flock(fd: number, kind: 'exclusive' | 'shared', path = process.env.PATH): 'locked' | 'busy' {
  const result = spawnSync('flock', ['-n', kind === 'shared' ? '-s' : '-x', '3'], {
    stdio: ['ignore', 'ignore', 'ignore', fd],
    env: { PATH: path },
  });
  if (result.status === 0) return 'locked';
  if (result.status === 1) return 'busy';
  if (result.error !== undefined && errnoOf(result.error) === 'ENOENT') throw noFlock();
  const why = result.error === undefined ? `status ${result.status ?? result.signal}` : errnoOf(result.error);
  throw new Failure({
    code: 'lock-failed',
    exit: Exit.rolledBack,
    message: `flock failed (${why}); nothing was changed`,
    remedy: 'Keep the state folder on a file system that can lock (COMFYUI_AUTH_STATE names it).',
  });
}

/** The lock of systems that have no flock: a file that only one can create. It outlives a kill, and is never stolen. */
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

/** The lock of Linux. Its file is never removed: a second holder could then lock a file that a third no longer sees. */
function lockByFlock(path: string, heldPath: string, command: string, searchPath: string | undefined): Lock {
  const fd = attempt('open it', path, () => openSync(path, OPEN_FLAGS, 0o600));
  const close = () => ignoring(() => closeSync(fd));
  try {
    if (flock(fd, 'exclusive', searchPath) === 'busy') throw locked(path, waitRemedy);
    // Another system that shares the folder, a host of macOS perhaps, holds it in the other way.
    if (exists(heldPath)) throw locked(heldPath, removeRemedy(heldPath));
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

/**
 * Takes the lock of a state folder for this process, without waiting. Throws a Failure: `locked` names the holder,
 * `flock-missing` what to install. A system has one way to lock: the holder
 * of a lock file does not see who holds the other. `searchPath` is where flock is looked for.
 */
export function acquireLock(
  state: StateFolder,
  command: string,
  platform: NodeJS.Platform = process.platform,
  searchPath = process.env.PATH,
): Lock {
  const heldPath = join(state.path, 'lock.held');
  return platform === 'linux'
    ? lockByFlock(join(state.path, 'lock'), heldPath, command, searchPath)
    : lockByFile(heldPath, command);
}

const BETWEEN_TRIES_MS = 200;

/**
 * As `acquireLock`, but waits for another holder up to `patience.ms`; `patience.onWait` hears once who it is;
 * `patience.acquire` stands in for `acquireLock`. Throws the Failure `locked` when that time is over; rejects with the
 * signal's reason where it is aborted.
 */
export async function waitForLock(
  state: StateFolder,
  command: string,
  clock: Clock,
  patience: {
    ms: number;
    onWait(holder: string): void;
    signal?: AbortSignal | undefined;
    acquire?: () => Lock;
  },
): Promise<Lock> {
  const { acquire = () => acquireLock(state, command) } = patience;
  const until = clock.monotonicMs() + patience.ms;
  let waiting = false;
  for (;;) {
    try {
      return acquire();
    } catch (error) {
      const busy = error instanceof Failure && error.code === 'locked';
      if (!busy || clock.monotonicMs() >= until) throw error;
      if (!waiting) patience.onWait(error.message);
      waiting = true;
    }
    await clock.wait(BETWEEN_TRIES_MS, patience.signal);
  }
}
