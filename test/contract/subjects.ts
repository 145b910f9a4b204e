import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { startStandIn } from '../../src/stand-in/server.ts';
import { LOGIN_NODE, layComfyUi } from '../../src/stand-in/tree.ts';

/** A started server. */
export interface Running {
  url: string;
  /** What it has printed so far. */
  log(): string;
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
      close: () => server.close(),
    };
  },
});

async function listening(child: ChildProcess): Promise<string> {
  if (child.stdout === null) throw new Error('the host has no stdout');
  for await (const line of createInterface(child.stdout)) {
    const port = /^listening (\d+)$/.exec(line)?.[1];
    if (port !== undefined) return port;
  }
  throw new Error('the host of the login node ended before it listened');
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

/** Both forms of the stand-in always; the real node where COMFYUI_LOGIN_DIR names a checkout of it. */
export const subjects: Subject[] = [
  standIn(false),
  standIn(true),
  ...(checkout === undefined ? [] : [realNode(checkout)]),
];
