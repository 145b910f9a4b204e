import { type ChildProcess, type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:os';
import type { Readable, Writable } from 'node:stream';
import type { Owner } from '../src/model/layout.ts';
import type { Redactor } from '../src/platform/redact.ts';
import { ContainerExit, Refusal } from './exit.ts';

/** After the end of the child, what it left in the pipes gets this long to arrive. */
const DRAIN_MS = 1000;

export interface ChildOptions {
  /** Program and arguments. */
  command: readonly [string, ...string[]];
  cwd: string;
  env: NodeJS.ProcessEnv;
  user?: Owner;
  redactor: Redactor;
  stdout: Writable;
  stderr: Writable;
  /** Called where the child lives, and the system does not let us signal it. */
  onUnkillable(): void;
}

/** ComfyUI, in a process group of its own. */
export interface Child {
  pid: number;
  /** False from the moment at which it has ended. */
  alive(): boolean;
  /** To the whole group, as a terminal's Ctrl-C would go; nothing where it has ended. */
  signal(signal: NodeJS.Signals): void;
  /** Its exit code, 128+n where it was killed by signal n; after its last output was passed on. */
  ended: Promise<number>;
}

/** Starts the child; its output passes through as it is, but without secrets. Throws a `Refusal` (126, 127). */
export async function startChild(options: ChildOptions): Promise<Child> {
  const child = await spawned(options);
  const { pid } = child;
  const output = [
    pass(child.stdout, options.stdout, options.redactor),
    pass(child.stderr, options.stderr, options.redactor),
  ];
  const alive = () => child.exitCode === null && child.signalCode === null;
  const signalGroup = (signal: NodeJS.Signals) => {
    try {
      process.kill(-pid, signal);
    } catch (error) {
      // The group is gone already, or what is left of it is not ours to end.
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH' && alive()) options.onUnkillable();
    }
  };
  // However the entrypoint ends: it never leaves a server behind that nobody watches.
  const onExit = () => signalGroup('SIGKILL');
  process.once('exit', onExit);
  return {
    pid,
    alive,
    signal: signalGroup,
    ended: end(child, output, () => signalGroup('SIGKILL')).finally(() => process.off('exit', onExit)),
  };
}

type Spawned = ChildProcessByStdio<null, Readable, Readable> & { pid: number };

async function spawned({ command, cwd, env, user }: ChildOptions): Promise<Spawned> {
  const [program, ...args] = command;
  try {
    const child = spawn(program, args, {
      cwd,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
      ...user,
    });
    await once(child, 'spawn');
    if (child.pid !== undefined) return Object.assign(child, { pid: child.pid });
  } catch (error) {
    // Some errors are thrown at once, others come as an event.
    throw notStarted(program, (error as NodeJS.ErrnoException).code);
  }
  throw notStarted(program, undefined);
}

/** Waits for the end. Whatever the child left behind in its group could still serve, unwatched: it is killed. */
async function end(child: ChildProcess, output: Promise<void>[], killGroup: () => void): Promise<number> {
  await once(child, 'exit');
  killGroup();
  const drained = new AbortController();
  const timer = setTimeout(() => drained.abort(), DRAIN_MS);
  await Promise.race([Promise.all(output), once(drained.signal, 'abort')]);
  clearTimeout(timer);
  // What has left the group may hold the pipes for ever.
  for (const stream of [child.stdout, child.stderr]) stream?.destroy();
  const { exitCode, signalCode } = child;
  return exitCode ?? 128 + (signalCode === null ? 0 : constants.signals[signalCode]);
}

/** Passes chunks on as they come, redacted across their borders, no faster than they are taken. */
async function pass(from: Readable, to: Writable, redactor: Redactor): Promise<void> {
  const stream = redactor.stream();
  const write = (bytes: Buffer) =>
    bytes.length === 0 ? undefined : new Promise<void>((resolve) => to.write(bytes, () => resolve()));
  try {
    // Not by `pipeline`: it leaves listeners behind, and the output outlives many children.
    for await (const chunk of from as AsyncIterable<Buffer>) await write(stream.write(chunk));
  } catch {
    // A pipe that breaks ends the output, never the supervision.
  }
  await write(stream.end());
}

/** What a path says that leads to no file. */
export const NOT_THERE: readonly string[] = ['ENOENT', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG'];

function notStarted(program: string, code: string | undefined): Refusal {
  const missing = NOT_THERE.includes(code ?? '');
  return new Refusal({
    code: 'command-unusable',
    exit: missing ? ContainerExit.notFound : ContainerExit.notExecutable,
    message: `${program} ${missing ? 'was not found' : `could not be started (${code ?? 'no process'})`}`,
    remedy: 'correct the command behind `run --`, or COMFYUI_PYTHON',
  });
}
