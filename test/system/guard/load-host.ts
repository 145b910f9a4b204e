import { type ChildProcess, spawn } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { LOGIN_NODE, layComfyUi } from '../../../src/stand-in/tree.ts';
import { PYTHON } from './python.ts';

const here = import.meta.dirname;
const login = process.env.COMFYUI_LOGIN_DIR ?? join(here, '..', 'image', 'login-node');
const guard = process.env.LOAD_GUARD ?? join(here, '..', '..', '..', 'image', 'guard');
const host = join(here, '..', '..', 'contract', 'host.py');

/** ComfyUI's server with its login, with the guard or without, and with routes that stream. */
export class LoadHost {
  readonly folder = mkdtempSync(join(tmpdir(), 'comfyui-load-'));
  readonly password = join(this.folder, 'login', 'PASSWORD');
  port = 0;
  #log = '';
  #child: ChildProcess | undefined;

  /** Starts it; settings are the guard's. */
  static async start(
    hash: string,
    { guarded = true, settings = {} as Record<string, string> } = {},
  ): Promise<LoadHost> {
    const made = new LoadHost();
    made.#lay(guarded);
    made.publish(hash);
    await made.#listen(settings);
    return made;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** What it has said so far. */
  get log(): string {
    return this.#log;
  }

  /** The most memory that is its own, in MB, as the system counts it now. */
  get residentMb(): number {
    const status = readFileSync(`/proc/${this.pid}/status`, 'utf8');
    return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) / 1024;
  }

  /** Puts a credential where the login reads it; whoever reads it sees the old one or the new one. */
  publish(hash: string): void {
    writeFileSync(`${this.password}.new`, `${hash}\nada`, { mode: 0o600 });
    renameSync(`${this.password}.new`, this.password);
  }

  /** Ends it without waiting for what is under way. */
  stop(): void {
    this.#child?.kill('SIGKILL');
    rmSync(this.folder, { recursive: true, force: true });
  }

  #lay(guarded: boolean): void {
    layComfyUi(this.folder);
    const nodes = join(this.folder, 'custom_nodes');
    const plain = (path: string) => !path.endsWith('.git') && !path.endsWith('__pycache__');
    rmSync(join(this.folder, LOGIN_NODE), { recursive: true });
    cpSync(login, join(this.folder, LOGIN_NODE), { recursive: true, filter: plain });
    if (guarded) cpSync(guard, join(nodes, 'comfyui-auth-guard'), { recursive: true, filter: plain });
    mkdirSync(join(nodes, 'load-routes'));
    copyFileSync(join(here, 'load_routes.py'), join(nodes, 'load-routes', '__init__.py'));
  }

  async #listen(settings: Record<string, string>): Promise<void> {
    const child = spawn(PYTHON, ['-u', host, this.folder, '--until-stdin-closes'], {
      env: { PATH: process.env.PATH, PYTHONDONTWRITEBYTECODE: '1', ...settings },
    });
    this.#child = child;
    child.stderr.on('data', (chunk: Buffer) => {
      this.#log += chunk.toString('utf8');
    });
    const lines = createInterface(child.stdout);
    await new Promise<void>((resolve, reject) => {
      lines.on('line', (line) => {
        this.#log += `${line}\n`;
        const port = /^listening (\d+)$/.exec(line)?.[1];
        if (port !== undefined) resolve(void (this.port = Number(port)));
      });
      child.once('close', (code) => reject(new Error(`ended with ${code}\n${this.#log}`)));
    });
  }
}
