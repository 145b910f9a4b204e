import { accessSync, constants, lstatSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Failure } from '../src/model/failure.ts';
import type { Check } from '../src/probe/check.ts';
import { missingFolders } from '../src/store/folder.ts';
import { readRegular } from '../src/store/read-file.ts';
import { replaceFile } from '../src/store/replace.ts';
import { ContainerExit, Refusal } from './exit.ts';
import { mayFollow, type State } from './states.ts';

/** What health.json says (container.md §6). Nothing in it is a secret. */
export interface HealthRecord {
  v: 1;
  state: State;
  /** Whether the entrypoint is there to watch; false once it ends. */
  live: boolean;
  /** Whether ComfyUI serves, and its protection was proven. */
  ready: boolean;
  /** Since when the state holds. */
  since: string;
  updatedAt: string;
  pid: number;
  childPid: number | null;
  restarts: number;
  checks: Check[];
  /** The version of the guard that answered; null: none has. */
  guard: string | null;
  reason: string | null;
}

/** What a transition may bring along; the child's pid, the checks and the guard stay until others come. */
export interface Transition {
  childPid?: number;
  checks?: Check[];
  guard?: string | null;
  restarts?: number;
  reason?: string;
}

const FILE_NAME = 'health.json';
const DEFAULT_FOLDER = '/run/comfyui-auth';
const BEAT_MS = 10_000;
const FRESH_MS = 30_000;
/** How far a clock may be ahead of us; what is dated further on is not believed. */
const SKEW_MS = 5000;

/** Readable for whoever asks in the container, e.g. an engine's health check under another user. */
const FILE_MODE = 0o644;
const FOLDER_MODE = 0o755;

/** Where health.json may stand: RUN_DIR, else its default; and below /tmp where that is not writable. */
function runFolders(runDir: string | undefined): [string, string] {
  return [runDir ?? DEFAULT_FOLDER, `/tmp/comfyui-auth-${process.getuid?.() ?? 0}`];
}

/** The first of these folders that can be written to, made where it is missing. Throws a `Refusal` (74). */
export function chooseRunFolder(runDir: string | undefined): string {
  const [wanted, fallback] = runFolders(runDir);
  if (writableFolder(wanted)) return wanted;
  if (writableFolder(fallback) && isOurs(fallback)) return fallback;
  throw new Refusal({
    code: 'run-dir-unusable',
    exit: ContainerExit.io,
    message: `neither ${wanted} nor ${fallback} can be written to`,
    remedy: 'set RUN_DIR to a folder that the container may write to, such as a tmpfs',
  });
}

/** The same without making one: where health.json would stand. */
export function lookForRunFolder(runDir: string | undefined): string {
  const [wanted, fallback] = runFolders(runDir);
  try {
    accessSync(nearest(wanted), constants.W_OK | constants.X_OK);
    return wanted;
  } catch {
    return fallback;
  }
}

/** The folder itself, or the nearest one above it that is there. */
function nearest(folder: string): string {
  return lstatSync(folder, { throwIfNoEntry: false }) === undefined ? nearest(dirname(folder)) : folder;
}

/** Anybody can make a folder in /tmp: in one that is not ours alone a planted health.json could stand. */
function isOurs(folder: string): boolean {
  const stats = lstatSync(folder, { throwIfNoEntry: false });
  return stats?.isDirectory() === true && stats.uid === process.getuid?.() && (stats.mode & 0o022) === 0;
}

function writableFolder(path: string): boolean {
  try {
    // Not `recursive`: Node never comes back from that below /proc.
    for (const folder of missingFolders(join(path, FILE_NAME))) mkdirSync(folder, FOLDER_MODE);
    accessSync(path, constants.W_OK | constants.X_OK);
    return lstatSync(path).isDirectory();
  } catch {
    return false;
  }
}

/** Keeps health.json: replaced at each transition, and every ten seconds as a sign of life. */
export class Health {
  readonly #path: string;
  readonly #now: () => Date;
  readonly #onTrouble: (message: string) => void;
  readonly #beat: NodeJS.Timeout;
  #record: HealthRecord;
  #troubled = false;

  constructor(folder: string, now: () => Date, onTrouble: (message: string) => void) {
    this.#path = join(folder, FILE_NAME);
    this.#now = now;
    this.#onTrouble = onTrouble;
    const time = now().toISOString();
    this.#record = {
      v: 1,
      state: 'INIT',
      live: true,
      ready: false,
      since: time,
      updatedAt: time,
      pid: process.pid,
      childPid: null,
      restarts: 0,
      checks: [],
      guard: null,
      reason: null,
    };
    this.#write();
    this.#beat = setInterval(() => this.#write(), BEAT_MS);
    this.#beat.unref();
  }

  get state(): State {
    return this.#record.state;
  }

  /** Whether ComfyUI was ready, and has not been ended since. */
  get ready(): boolean {
    return ['READY', 'DEGRADED', 'RELOADING'].includes(this.#record.state);
  }

  /** Goes to a state; `reason` is for people. Throws where the state may not follow: a fault of ours, never passed over. */
  enter(state: State, { childPid, checks, guard, restarts, reason }: Transition = {}): void {
    const { state: before, since } = this.#record;
    if (!mayFollow(before, state)) throw new Error(`${state} does not follow ${before}`);
    this.#record = {
      ...this.#record,
      state,
      live: state !== 'EXIT',
      ready: state === 'READY',
      since: state === before ? since : this.#now().toISOString(),
      childPid: childPid ?? this.#record.childPid,
      restarts: restarts ?? this.#record.restarts,
      checks: checks ?? this.#record.checks,
      guard: guard === undefined ? this.#record.guard : guard,
      reason: reason ?? null,
    };
    this.#write();
  }

  /** The last word. */
  close(reason?: string): void {
    clearInterval(this.#beat);
    this.enter('EXIT', reason === undefined ? {} : { reason });
  }

  /** A health file that cannot be written makes the check fail by its age; it never stops a server. */
  #write(): void {
    this.#record.updatedAt = this.#now().toISOString();
    try {
      replaceFile(this.#path, Buffer.from(`${JSON.stringify(this.#record)}\n`), { mode: FILE_MODE });
      this.#troubled = false;
    } catch (error) {
      if (!this.#troubled)
        this.#onTrouble(error instanceof Failure ? error.message : `${this.#path}: not written`);
      this.#troubled = true;
    }
  }
}

export interface HealthVerdict {
  healthy: boolean;
  /** One line that says why. */
  message: string;
}

/**
 * Judges health.json: ready (or, with `live`, there at all), fresh, and its process alive. The one below /tmp counts
 * only where RUN_DIR holds none, and where the folder around it is ours.
 */
export function checkHealth(runDir: string | undefined, live: boolean, now: Date): HealthVerdict {
  const [wanted, fallback] = runFolders(runDir);
  const first = readRecord(wanted);
  const record = first === 'missing' && isOurs(fallback) ? readRecord(fallback) : first;
  if (record === 'missing') {
    const message = `no health.json in ${wanted}, nor in a ${fallback} of our own: the entrypoint is not running`;
    return { healthy: false, message };
  }
  if (record === 'broken') return { healthy: false, message: `${join(wanted, FILE_NAME)} cannot be read` };
  const fault = faultOf(record, live, now);
  return { healthy: fault === undefined, message: fault ?? `${record.state} since ${record.since}` };
}

function faultOf(record: HealthRecord, live: boolean, now: Date): string | undefined {
  const ageMs = now.getTime() - Date.parse(record.updatedAt);
  if (ageMs < -SKEW_MS) return `health.json is dated ${Math.round(-ageMs / 1000)} s in the future`;
  if (!(ageMs < FRESH_MS)) return `health.json was last written ${Math.round(ageMs / 1000)} s ago`;
  if (!record.live) return `the entrypoint has ended${record.reason === null ? '' : `: ${record.reason}`}`;
  if (!runs(record.pid)) return `the entrypoint (process ${record.pid}) is gone`;
  if (live || record.ready) return undefined;
  return `not ready: ${record.state} since ${record.since}${record.reason === null ? '' : ` (${record.reason})`}`;
}

function runs(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function readRecord(folder: string): HealthRecord | 'missing' | 'broken' {
  const found = readRegular(join(folder, FILE_NAME));
  // Where we may not even look, no entrypoint of ours could write.
  if (found.kind !== 'file') return found.kind === 'not-a-file' ? 'broken' : 'missing';
  try {
    const record = JSON.parse(found.bytes.toString('utf8')) as Partial<HealthRecord>;
    const whole = record.v === 1 && typeof record.pid === 'number' && typeof record.updatedAt === 'string';
    return whole ? (record as HealthRecord) : 'broken';
  } catch {
    return 'broken';
  }
}
