import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect } from 'vitest';
import type { HostProcess } from './host-process.ts';
import { withoutPython } from './python.ts';
import { GuardRig, LOGIN_NODES, type LoginNode, type StartOptions } from './rig.ts';

/** The line by which the guard says why it does not let ComfyUI start. */
const REFUSAL = /^comfyui-auth guard: .+\. Remedy: .+$/m;
const BCRYPT = /\$2[abxy]?\$\d\d\$[./A-Za-z0-9]{53}/;

const missing = withoutPython();

/** How the guard names a bearer: the first 8 hex digits of its SHA-256. */
export const fingerprint = (hash: string) => createHash('sha256').update(hash).digest('hex').slice(0, 8);

/** A rig for each test, gone after it. */
export class HolesStage {
  rig!: GuardRig;
  readonly login: LoginNode;

  constructor(login: LoginNode) {
    this.login = login;
  }

  /** What the login node itself answers whom it refuses. */
  get nodeRefuses(): number {
    return this.login.older ? 302 : 401;
  }

  /** Starts the server, with the guard where nothing else is said; waits until it listens. */
  start(options?: StartOptions): Promise<HostProcess> {
    return this.rig.start(options);
  }

  /** Starts the server as the login node leaves it; waits until it listens. */
  bare(options: StartOptions = {}): Promise<HostProcess> {
    return this.rig.start({ ...options, guard: false });
  }

  /** The guard does not let it start: it says why and what to do, and no socket was ever open. Gives what it says. */
  async refused(options?: StartOptions): Promise<string> {
    const host = this.rig.launch(options);
    expect(await host.ended, host.output).toEqual({ code: 78, signal: null });
    expect(host.stderr).toMatch(REFUSAL);
    expect(host.output).not.toContain('To see the GUI go to');
    this.expectSilent(host.stderr.slice(host.stderr.indexOf('comfyui-auth guard: ')));
    return REFUSAL.exec(host.stderr)?.[0] ?? '';
  }

  /** Neither a hash of any kind, nor the password of this rig. */
  expectSilent(text: string): void {
    expect(text).not.toMatch(BCRYPT);
    expect(text).not.toContain(this.rig.password);
  }
}

/** Tests with each login node that is at hand. */
export function eachLoginNode(tests: (stage: HolesStage) => void): void {
  describe.skipIf(missing).each(LOGIN_NODES)('$name', (login) => {
    const stage = new HolesStage(login);
    beforeEach(() => {
      stage.rig = new GuardRig(login);
    });
    afterEach(() => stage.rig.remove());
    tests(stage);
  });
}
