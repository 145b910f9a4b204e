import { existsSync } from 'node:fs';
import { expect } from 'vitest';
import type { Acted, Acting, Runner } from './action-stage.ts';
import type { RunningService } from './deploy-stage.ts';

/** A deploy onto a server that never listens: it stays in the gate. */
export const inputs = (service: RunningService, more: Record<string, string> = {}) => ({
  command: 'deploy',
  root: service.root,
  timeout: '30s',
  password: 'the same in all, and no secret',
  variables: 'MODE',
  ...more,
});
export const MUTE = { MODE: 'mute' };

/** What a deploy says that has come to the gate, where nothing answers. */
export const IN_THE_GATE = /: (?:restarting|recreating) it\n[\s\S]*: down/;

/** The bound of reliability.md, T8. */
const END_MS = 2_000;

/** Sends a signal; gives what came of it, and holds that it came in time. */
export async function end(acting: Acting, signal: NodeJS.Signals): Promise<Acted> {
  const started = performance.now();
  acting.child.kill(signal);
  const ran = await acting.ended;
  expect(performance.now() - started).toBeLessThan(END_MS);
  return ran;
}

export const journal = (service: RunningService) => service.path('.comfyui-auth/journal.json');
/** A program that has nothing to say. */
export const silent = { code: 0, stdout: '', stderr: '' };

/** Runs what comes after the job, and holds that everything is as it was before. */
export function expectBack(runner: Runner, service: RunningService, before: RunningService['files']): void {
  const ran = runner.post(inputs(service), MUTE);
  expect([ran.code, ran.stderr]).toEqual([0, '']);
  expect(ran.log).toContain(
    '::warning::"deploy" was cut off; every file and every service is as it was before',
  );
  expect(ran.summary).toContain('<h3>comfyui-auth finish: rolled-back</h3>');
  expect(service.files).toEqual(before);
  expect(existsSync(journal(service))).toBe(false);
  expect(service.run('probe', {}).code).toBe(0);
  expect(runner.post(inputs(service), MUTE)).toMatchObject(silent);
}
