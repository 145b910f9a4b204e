import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterEach, describe, expect, it } from 'vitest';
import { CLI, cleanEnv, found, freshSecret, type Ran } from './deployment.ts';
import { GuardedService } from './guarded-service.ts';

const stages: GuardedService[] = [];
afterEach(async () => {
  for (const one of stages.splice(0)) await one.remove();
});

/** Does what a finding says, in a shell; `comfyui-auth` is the built command. */
function obey(ran: Ran, code: string) {
  const remedy = found(ran, code)[0]?.remedy ?? '';
  const script = remedy.replace(/^comfyui-auth /, `'${process.execPath}' '${CLI}' `);
  return spawnSync('sh', ['-c', script], { cwd: tmpdir(), env: cleanEnv(), encoding: 'utf8' });
}

describe.each(['command', 'none'] as const)('the remedy, done as it says, mends it: driver %s', (driver) => {
  async function stage(): Promise<GuardedService> {
    const one = await GuardedService.start({ driver });
    stages.push(one);
    return one;
  }

  const causeOf = (ran: Ran) => ran.json.services[0].cause;

  function expectMended({ service }: GuardedService, code: string): void {
    const ran = service.run('doctor', {}, '--timeout', '5s');
    expect(causeOf(ran)).toBe(code);
    const done = obey(ran, code);
    expect(done.status, done.stderr).toBe(0);
    expect(causeOf(service.run('doctor', {}, '--timeout', '5s'))).toBeNull();
  }

  it('guard-closed', async () => {
    const one = await stage();
    rmSync(one.service.path('comfyui/login/PASSWORD'));
    expectMended(one, 'guard-closed');
  });

  it('stale-process', async () => {
    const one = await stage();
    expect(one.service.run('sync', { COMFYUI_PASSWORD: freshSecret() }).code).toBe(0);
    expectMended(one, 'stale-process');
  });
});
