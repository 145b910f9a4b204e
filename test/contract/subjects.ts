import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { startStandIn } from '../../src/stand-in/server.ts';
import { GUARD_NODE, LOGIN_NODE, layComfyUi, layGuard } from '../../src/stand-in/tree.ts';

/** A started server. */
export interface Running {
  url: string;
  /** What it has printed so far. */
  log(): string;
  /** What SIGHUP to the process does. */
  hangUp(): void;
  close(): Promise<void>;
}

/** Something that claims to behave as ComfyUI with ComfyUI-Login. */
export interface Subject {
  name: string;
  /** The node before June 2024: whoever is refused is redirected. */
  alwaysRedirect: boolean;
  /** Lays down a ComfyUI folder with the login node in it. */
  lay(comfyuiDir: string): void;
  start(comfyuiDir: string, flags?: string[]): Promise<Running>;
}

const standIn = (alwaysRedirect: boolean): Subject => ({
  name: alwaysRedirect ? 'the stand-in, as an older version' : 'the stand-in',
  alwaysRedirect,
  lay: layComfyUi,
  async start(comfyuiDir, flags = []) {
    const lines: string[] = [];
    const log = (line: string) => lines.push(line);
    const server = await startStandIn({ comfyuiDir, port: 0, args: flags, alwaysRedirect, log });
    return {
      url: `http://127.0.0.1:${server.port}`,
      log: () => lines.join('\n'),
      hangUp: () => server.reload?.(),
      close: () => server.close(),
    };
  },
});

/** Waits until it says where it listens. Rejects where it ends before, and says with what. */
async function listening(child: ChildProcess): Promise<string> {
  const exited = once(child, 'exit');
  if (child.stdout === null) throw new Error('the host has no stdout');
  for await (const line of createInterface(child.stdout)) {
    const port = /^listening (\d+)$/.exec(line)?.[1];
    if (port !== undefined) return port;
  }
  const [code] = await exited;
  throw new Error(`the host of the login node ended with ${code} before it listened`);
}

const realNode = (checkout: string): Subject => ({
  name: 'the real node',
  alwaysRedirect: !readFileSync(join(checkout, 'password.py'), 'utf8').includes('Authentication required'),
  lay(comfyuiDir) {
    layComfyUi(comfyuiDir);
    cpSync(checkout, join(comfyuiDir, LOGIN_NODE), { recursive: true });
  },
  async start(comfyuiDir, flags = []) {
    const python = process.env.COMFYUI_LOGIN_PYTHON ?? 'python3';
    const host = [join(import.meta.dirname, 'host.py'), comfyuiDir, '--until-stdin-closes', ...flags];
    const child = spawn(python, host, {
      stdio: 'pipe',
      env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1' },
    });
    let log = '';
    child.stderr.on('data', (chunk: Buffer) => {
      log += chunk.toString('utf8');
    });
    const port = await listening(child).catch((error: Error) => {
      throw new Error(`${error.message}\n${log}`);
    });
    return {
      url: `http://127.0.0.1:${port}`,
      log: () => log,
      hangUp: () => child.kill('SIGHUP'),
      close: async () => {
        const exited = child.exitCode === null ? once(child, 'exit') : undefined;
        child.kill('SIGINT');
        await exited;
      },
    };
  },
});

const checkout = process.env.COMFYUI_LOGIN_DIR;
if (checkout !== undefined && !existsSync(join(checkout, 'password.py'))) {
  throw new Error('COMFYUI_LOGIN_DIR names a folder without password.py');
}

const GUARD = resolve(import.meta.dirname, '..', '..', 'image', 'guard');

/** The same with the guard beside the login node. */
const guarded = (subject: Subject, layIt: (comfyuiDir: string) => void): Subject => ({
  ...subject,
  name: `${subject.name} with the guard`,
  lay(comfyuiDir) {
    subject.lay(comfyuiDir);
    layIt(comfyuiDir);
  },
});

const copyGuard = (comfyuiDir: string) => cpSync(GUARD, join(comfyuiDir, GUARD_NODE), { recursive: true });

/** The stand-in for the guard always; the guard itself beside the real node, where that is there. */
export const guardSubjects: Subject[] = [
  guarded(standIn(false), layGuard),
  ...(checkout === undefined ? [] : [guarded(realNode(checkout), copyGuard)]),
];

/** Both forms of the stand-in always; the real node where COMFYUI_LOGIN_DIR names a checkout of it. */
export const subjects: Subject[] = [
  standIn(false),
  standIn(true),
  ...(checkout === undefined ? [] : [realNode(checkout)]),
];
