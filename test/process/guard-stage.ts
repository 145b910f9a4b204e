import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect } from 'vitest';
import { GUARD_NODE } from '../../src/stand-in/tree.ts';
import { cheapHash, Deployment, type Ended, freshPassword } from './entrypoint-harness.ts';

/** A guard, as far as files go. */
const GUARD: Readonly<Record<string, string>> = {
  '__init__.py': '"""comfyui-auth guard"""\nVERSION = "0.1.0"\n',
  'install.py': 'def install(version): ...\n',
  'more/__init__.py': '',
};

/** Lays a whole guard into a folder. */
export function layGuard(folder: string): void {
  for (const [path, content] of Object.entries(GUARD)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), content);
  }
}

/** A ComfyUI with a login node and a credential, and a pristine guard beside it. */
export class GuardStage {
  readonly deployment: Deployment;
  readonly nodes: string;
  /** Where the guard belongs. */
  readonly guard: string;
  readonly copy: string;

  private constructor(deployment: Deployment) {
    this.deployment = deployment;
    this.nodes = join(deployment.comfyui, 'custom_nodes');
    this.guard = join(deployment.comfyui, GUARD_NODE);
    this.copy = join(deployment.folder, 'copy');
    writeFileSync(deployment.password, `${cheapHash(freshPassword())}\nada`);
    layGuard(this.copy);
  }

  static async make(): Promise<GuardStage> {
    return new GuardStage(await Deployment.make());
  }

  withCopy(more: Record<string, string> = {}): Record<string, string> {
    return { GUARD_COPY: this.copy, ...more };
  }

  /** A start whose command ends at once. */
  start(more = this.withCopy(), ...args: string[]): Promise<Ended> {
    return this.deployment.end(['run', '--', 'true', 'main.py', ...args], more);
  }

  /** What stands among the nodes beside the login node. */
  names(folder = this.nodes): string[] {
    return readdirSync(folder).filter((name) => name !== 'ComfyUI-Login');
  }

  content(path: string): string {
    return readFileSync(join(this.guard, path), 'utf8');
  }

  /** All that stands where the guard belongs, folders too. */
  paths(): string[] {
    return existsSync(this.guard)
      ? readdirSync(this.guard, { recursive: true, encoding: 'utf8' }).sort()
      : [];
  }

  expectWhole(): void {
    expect(this.paths()).toEqual([...Object.keys(GUARD), 'more'].sort());
    for (const [path, text] of Object.entries(GUARD)) expect(this.content(path), path).toBe(text);
  }

  remove(): void {
    this.deployment.remove();
  }
}
