import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect } from 'vitest';
import { layGuard } from '../../src/stand-in/tree.ts';
import { cheapHash, Deployment, freshPassword, type Running } from './entrypoint-harness.ts';

export const passwords = [freshPassword(), freshPassword(), freshPassword()] as const;
export const bearers = passwords.map(cheapHash) as [string, string, string];

/** A ComfyUI with the guard, and the files that its credential is handed in by: anew for each test. */
class RotationStage {
  readonly deployment: Deployment;
  readonly files: { bearer: string; password: string };

  constructor(deployment: Deployment) {
    this.deployment = deployment;
    const { folder } = deployment;
    this.files = { bearer: join(folder, 'bearer'), password: join(folder, 'secret') };
    layGuard(deployment.comfyui);
    this.hand(0);
  }

  /** Puts a pair into the files that are handed in, one right after the other. */
  hand(index: 0 | 1 | 2): void {
    writeFileSync(this.files.password, passwords[index]);
    writeFileSync(this.files.bearer, bearers[index]);
  }

  pair(): Record<string, string> {
    return { COMFYUI_PASSWORD_FILE: this.files.password, COMFYUI_BEARER_TOKEN_FILE: this.files.bearer };
  }

  async ready(env: Record<string, string> = this.pair()): Promise<Running> {
    const running = this.deployment.start(['run'], { GUARD_COPY: 'off', ...env });
    await running.said(/^ready/m);
    return running;
  }

  async statusAs(bearer: string): Promise<number> {
    const headers = { authorization: `Bearer ${bearer}` };
    return (await this.deployment.ask('/system_stats', { headers })).status;
  }

  /** Which of the pairs ComfyUI takes. */
  taken(): Promise<number[]> {
    return Promise.all(bearers.map((bearer) => this.statusAs(bearer)));
  }

  /** The cookie that the form gives to who knows the password. */
  async session(password: string): Promise<RequestInit> {
    const body = new URLSearchParams({ password });
    const answer = await this.deployment.ask('/login', { method: 'POST', body, headers: {} });
    return { headers: { cookie: answer.headers.getSetCookie()[0] ?? '' } };
  }

  /** Ends it, and holds that it was one and the same ComfyUI all the time. */
  async endUnbroken(running: Running): Promise<void> {
    expect(await running.stop()).toBe(0);
    expect(running.count('starting')).toBe(1);
    expect(running.count('restarting')).toBe(0);
  }

  /** Holds that no secret was said, and removes all. */
  end(): void {
    const { deployment } = this;
    try {
      const secrets = [...passwords, ...[...bearers, deployment.bearer].map((bearer) => bearer.slice(7))];
      for (const hidden of secrets) expect(deployment.everythingSaid).not.toContain(hidden);
    } finally {
      deployment.remove();
    }
  }
}

/** Makes one before each test of a file. Gives the one of the moment. */
export function rotationStage(): () => RotationStage {
  let stage: RotationStage;
  beforeEach(async () => {
    stage = new RotationStage(await Deployment.make());
  });
  afterEach(() => stage.end());
  return () => stage;
}
