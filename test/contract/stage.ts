import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import bcrypt from 'bcryptjs';
import { afterEach, beforeEach } from 'vitest';
import { LOGIN_NODE } from '../../src/stand-in/tree.ts';
import { bearer, call } from './call.ts';
import type { Running, Subject } from './subjects.ts';

/** A password and its hash, at a cost that keeps tests quick. */
export function freshPair(): { password: string; hash: string } {
  const password = randomBytes(12).toString('base64url');
  return { password, hash: bcrypt.hashSync(password, 4) };
}

/** A ComfyUI folder for each test, and the servers started in it; all gone afterwards. */
export class Stage {
  readonly subject: Subject;
  dir = '';
  #running: Running[] = [];

  constructor(subject: Subject) {
    this.subject = subject;
    beforeEach(() => {
      this.dir = mkdtempSync(join(tmpdir(), 'comfyui-'));
      subject.lay(this.dir);
    });
    afterEach(async () => {
      await Promise.all(this.#running.splice(0).map((server) => server.close()));
      rmSync(this.dir, { recursive: true, force: true });
    });
  }

  get passwordPath(): string {
    return join(this.dir, 'login', 'PASSWORD');
  }

  get keyPath(): string {
    return join(this.dir, LOGIN_NODE, '.secret-key.txt');
  }

  /** Writes PASSWORD; `admin` where no other second line is given. */
  write(hash: string, rest = '\nadmin'): void {
    writeFileSync(this.passwordPath, hash + rest);
  }

  async start(flags: string[] = []): Promise<Running> {
    const server = await this.subject.start(this.dir, flags);
    this.#running.push(server);
    return server;
  }

  async stop(server: Running): Promise<void> {
    this.#running = this.#running.filter((other) => other !== server);
    await server.close();
  }

  /** What a server answers to one who is refused. */
  get closed(): number {
    return this.subject.alwaysRedirect ? 302 : 401;
  }
}

export const statusOf = async (url: string): Promise<number> => (await call(url)).status;

export const statusWith = async (url: string, token: string): Promise<number> =>
  (await call(url, bearer(token))).status;

/** Whether modes of files mean nothing to this user, as they do to root. */
export function readsEverything(): boolean {
  const dir = mkdtempSync(join(tmpdir(), 'mode-'));
  try {
    writeFileSync(join(dir, 'closed'), '', { mode: 0 });
    readFileSync(join(dir, 'closed'));
    return true;
  } catch {
    return false;
  } finally {
    rmSync(dir, { recursive: true });
  }
}
