import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { LOGIN_NODE } from '../../../src/stand-in/tree.ts';
import { cheapHash, cleanEnv, freshSecret } from '../../process/deployment.ts';
import { HostProcess } from './host-process.ts';
import { PYTHON } from './python.ts';

const root = resolve(import.meta.dirname, '..', '..', '..');
const image = join(root, 'test', 'system', 'image');

/** The guard as it lies in the sources. */
export const GUARD = join(root, 'image', 'guard');
/** Where it lies in a ComfyUI folder. */
export const GUARD_NODE = 'custom_nodes/comfyui-auth-guard';

/** A login node that the tests know. */
export interface LoginNode {
  name: string;
  folder: string;
  /** The version before June 2024: it redirects whoever it refuses, knows no guests, and skips .js and .css alone. */
  older: boolean;
}

const checkout = process.env.COMFYUI_LOGIN_DIR;
const isOlder = (folder: string) =>
  !readFileSync(join(folder, 'password.py'), 'utf8').includes('Authentication required');

/** The one of these tests always; the real one where COMFYUI_LOGIN_DIR names a checkout of it. */
export const LOGIN_NODES: LoginNode[] = [
  { name: 'the login node in its place', folder: join(image, 'login-node') },
  ...(checkout === undefined ? [] : [{ name: 'the real login node', folder: checkout }]),
].map((login) => ({ ...login, older: isOlder(login.folder) }));

export interface StartOptions {
  /** Whether the guard is there; yes where nothing is said. */
  guard?: boolean;
  env?: Record<string, string>;
  /** ComfyUI's options. */
  args?: string[];
  /** Python's options. */
  python?: string[];
}

const isBytecode = (path: string) => basename(path) === '__pycache__';

function copyNode(from: string, to: string): void {
  const isLeft = (path: string) => isBytecode(path) || ['.git', '.secret-key.txt'].includes(basename(path));
  cpSync(from, to, { recursive: true, filter: (path) => !isLeft(path) });
}

/** A ComfyUI folder with a login node and a credential, and the servers that were started in it. */
export class GuardRig {
  readonly folder = mkdtempSync(join(tmpdir(), 'comfyui-auth-guard-'));
  readonly password = freshSecret();
  readonly hash = cheapHash(this.password);
  readonly passwordPath = join(this.folder, 'login', 'PASSWORD');
  readonly guestPath = join(this.folder, 'login', 'GUEST_MODE');
  readonly loginFolder = join(this.folder, LOGIN_NODE);
  readonly guardFolder = join(this.folder, GUARD_NODE);
  readonly keyPath = join(this.loginFolder, '.secret-key.txt');
  readonly #started: HostProcess[] = [];

  constructor(login: LoginNode = LOGIN_NODES[0] as LoginNode) {
    cpSync(join(image, 'comfyui'), this.folder, { recursive: true, filter: (path) => !isBytecode(path) });
    copyNode(login.folder, this.loginFolder);
    mkdirSync(join(this.folder, 'login'));
    this.write(this.hash);
  }

  /** Writes PASSWORD; a user name where no other rest is given. */
  write(hash: string | Buffer, rest = '\nadmin'): void {
    writeFileSync(this.passwordPath, Buffer.concat([Buffer.from(hash), Buffer.from(rest)]));
  }

  /** Writes another custom node, of one file or in a folder of its own. */
  node(name: string, source: string): void {
    const path = join(this.folder, 'custom_nodes', name);
    if (!name.endsWith('.py')) mkdirSync(path);
    writeFileSync(name.endsWith('.py') ? path : join(path, '__init__.py'), source);
  }

  /** Starts it, and does not wait for anything. */
  launch({ guard = true, env = {}, args = [], python = [] }: StartOptions = {}): HostProcess {
    rmSync(this.guardFolder, { recursive: true, force: true });
    if (guard) copyNode(GUARD, this.guardFolder);
    const started = new HostProcess(
      PYTHON,
      ['-u', ...python, 'main.py', '--port', '0', ...args],
      this.folder,
      cleanEnv({ PYTHONDONTWRITEBYTECODE: '1', ...env }),
    );
    this.#started.push(started);
    return started;
  }

  /** Starts it, and waits until it listens. */
  async start(options?: StartOptions): Promise<HostProcess> {
    return await this.launch(options).listening();
  }

  /** Ends all that was started in it, and removes it. */
  async remove(): Promise<void> {
    await Promise.all(this.#started.splice(0).map((started) => started.stop()));
    rmSync(this.folder, { recursive: true, force: true });
  }
}
