import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { readComfyUiArgs } from '../../../entrypoint/comfyui-args.ts';
import { ensureLoginNode } from '../../../entrypoint/login-node/ensure.ts';
import type { EnsureOptions } from '../../../entrypoint/login-node/look.ts';

/** The parts of a login node that decide, and one file of each kind that is copied, or is not. */
export const NODE: Readonly<Record<string, string>> = {
  '__init__.py': 'from .password import *\n',
  'password.py': '# check_login_status\n',
  'login.html': '<form>\n',
  'js/logout.js': '// out\n',
  'examples/one.py': 'print(1)\n',
};

/** Lays files below a folder. */
export function lay(folder: string, files: Readonly<Record<string, string>>): void {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), content);
  }
}

export const owner = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };

/** A folder with a ComfyUI that has no custom nodes yet, and a copy of the login node beside it. */
export class Stage {
  readonly folder = mkdtempSync(join(tmpdir(), 'login-node-'));
  readonly comfyui = join(this.folder, 'ComfyUI');
  readonly nodes = join(this.comfyui, 'custom_nodes');
  readonly copy = join(this.folder, 'copy');
  readonly events: string[] = [];

  constructor() {
    mkdirSync(this.nodes, { recursive: true });
    lay(this.copy, NODE);
  }

  /** What the entrypoint would do with ComfyUI started by these arguments. */
  ensure(argv: string[] = [], more: Partial<EnsureOptions> = {}): Promise<string> {
    const note = (event: string, message: string) => this.events.push(`${event}: ${message}`);
    const log = { info: note, warning: note, error: note };
    const args = readComfyUiArgs(['python', 'main.py', ...argv], { port: 8188 });
    return ensureLoginNode(this.comfyui, args, { allow: [], owner, env: {}, log, ...more });
  }

  /** As `ensure`, with the copy at hand. */
  restore(argv: string[] = [], more: Partial<EnsureOptions> = {}): Promise<string> {
    return this.ensure(argv, { copy: this.copy, ...more });
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
