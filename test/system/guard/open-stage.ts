import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { cheapHash, Deployment, freshPassword } from '../../process/entrypoint-harness.ts';
import { loginNode } from '../image/context.ts';
import { PYTHON } from './python.ts';
import { GUARD, GUARD_NODE } from './rig.ts';

const comfyui = resolve(import.meta.dirname, '..', 'image', 'comfyui');

/** Even for root a file of mode 0 is closed then, as it is for ComfyUI's own user. */
const UNPRIVILEGED =
  process.getuid?.() === 0 ? ['setpriv', '--bounding-set=-dac_override,-dac_read_search'] : [];

/** How a process ended, and every call by which it or a child of it made a port of its own. */
export interface Ending {
  code: number | null;
  bound: string[];
}

/** A ComfyUI, run by Python, with its login node; every start of it is watched by strace. */
export class OpenStage {
  readonly deployment: Deployment;
  /** Whatever is set here, every start gets. */
  readonly env: Record<string, string> = { PYTHONDONTWRITEBYTECODE: '1' };
  readonly args: string[] = [];

  private constructor(deployment: Deployment) {
    this.deployment = deployment;
  }

  static async make(): Promise<OpenStage> {
    const deployment = await Deployment.make();
    const stage = new OpenStage(deployment);
    rmSync(deployment.node, { recursive: true });
    copy(comfyui, deployment.comfyui);
    copy(loginNode, deployment.node);
    writeFileSync(deployment.password, `${cheapHash(freshPassword())}\nada`);
    return stage;
  }

  addGuard(): void {
    copy(GUARD, join(this.deployment.comfyui, GUARD_NODE));
  }

  /** Puts a package that cannot be imported in the place of the one of that name. */
  breakPackage(name: string): void {
    const folder = join(this.deployment.folder, 'broken');
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, `${name}.py`), 'raise ImportError("broken on purpose")\n');
    this.env.PYTHONPATH = folder;
  }

  /** ComfyUI itself, with nobody before it. */
  comfyui(): Watched {
    const { deployment } = this;
    const own = ['--listen', '127.0.0.1', '--port', String(deployment.port)];
    const words = [PYTHON, '-u', join(deployment.comfyui, 'main.py'), ...own, ...this.args];
    return this.#watch(words, { PATH: process.env.PATH ?? '', ...this.env });
  }

  /** The entrypoint in `direct` mode, with the same ComfyUI behind it. */
  entrypoint(): Watched {
    const direct = { EXPOSE_MODE: 'direct', TORCH_LOCK: 'off', COMFYUI_PYTHON: PYTHON };
    const env = this.deployment.env({ ...direct, COMFYUI_ARGS: this.args.join(' '), ...this.env });
    return this.#watch([process.execPath, ...this.deployment.argv('run')], env);
  }

  #watch(words: string[], env: Record<string, string>): Watched {
    return new Watched(words, env, join(this.deployment.folder, 'trace'));
  }

  /** What somebody without a credential gets: 0 where nobody answers. */
  async statuses(): Promise<number[]> {
    const ask = (path: string) =>
      this.deployment.ask(path, { headers: {} }).then(
        ({ status }) => status,
        () => 0,
      );
    return [await ask('/system_stats'), await ask('/system_stats?token=')];
  }

  remove(): void {
    // What a test has closed, so that whoever is not root can remove it as well.
    if (existsSync(this.deployment.node)) chmodSync(this.deployment.node, 0o755);
    this.deployment.remove();
  }
}

/** A process under strace. */
export class Watched {
  readonly #process: ChildProcess;
  readonly #trace: string;
  readonly #closed: Promise<number | null>;
  stdout = '';
  stderr = '';

  constructor(words: string[], env: Record<string, string>, trace: string) {
    const strace = ['-f', '-qq', '-e', 'trace=bind,listen', '-e', 'signal=none', '-o', trace];
    // In a group of its own: a signal is for what strace runs, and strace itself waits for that to end.
    this.#process = spawn('strace', [...strace, ...UNPRIVILEGED, ...words], {
      env,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#trace = trace;
    this.#closed = once(this.#process, 'close').then(([code]) => code as number | null);
    this.#process.stdout?.on('data', (chunk: Buffer) => {
      this.stdout += chunk.toString('utf8');
    });
    this.#process.stderr?.on('data', (chunk: Buffer) => {
      this.stderr += chunk.toString('utf8');
    });
  }

  /** Resolves once the server says that it listens, or has ended. */
  settled(): Promise<void> {
    return new Promise((done) => {
      const look = () => {
        if (this.stderr.includes('To see the GUI go to: ')) done();
      };
      this.#process.stderr?.on('data', look);
      void this.#closed.then(() => done());
      look();
    });
  }

  /** Ends a server as ComfyUI is ended; nothing where it has ended. */
  interrupt(): void {
    const { pid, exitCode } = this.#process;
    if (pid !== undefined && exitCode === null) process.kill(-pid, 'SIGINT');
  }

  async ended(): Promise<Ending> {
    const code = await this.#closed;
    const trace = existsSync(this.#trace) ? readFileSync(this.#trace, 'utf8') : '';
    const bound = trace.split('\n').filter((line) => / bind\(.*AF_INET| listen\(/.test(line));
    return { code, bound };
  }
}

function copy(from: string, to: string): void {
  const wanted = (path: string) => !['.git', '__pycache__'].includes(basename(path));
  cpSync(from, to, { recursive: true, filter: wanted });
}
