import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { HostProcess } from './host-process.ts';
import { GuardRig, type LoginNode } from './rig.ts';

const routes = readFileSync(join(import.meta.dirname, 'load_routes.py'), 'utf8');

/** A ComfyUI with routes that stream. */
export class LoadRig extends GuardRig {
  constructor(login?: LoginNode) {
    super(login);
    this.node('load-routes', routes);
  }

  /** Puts a credential where the login reads it; whoever looks sees all of the old one, or of the new. */
  publish(hash: string): void {
    writeFileSync(`${this.passwordPath}.new`, `${hash}\nadmin`);
    renameSync(`${this.passwordPath}.new`, this.passwordPath);
  }
}

/** The memory that a server holds now. */
export function residentMb({ pid }: HostProcess): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) / 1024;
}
