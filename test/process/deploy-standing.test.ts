import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { BreakIn } from './breakpoints.ts';
import { cheapHash, found, freshSecret } from './deployment.ts';
import { GuardedService } from './guarded-service.ts';
import { tracesIn } from './traces.ts';

const stages: GuardedService[] = [];
const folders: string[] = [];
afterEach(async () => {
  for (const one of stages.splice(0)) await one.remove();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

async function stage(options: Parameters<typeof GuardedService.start>[0] = {}): Promise<GuardedService> {
  const one = await GuardedService.start({ driver: 'none', ...options });
  stages.push(one);
  return one;
}

const anotherBearer = () => ({ COMFYUI_USERNAME: 'admin', COMFYUI_BEARER_TOKEN: cheapHash(freshSecret()) });

describe('a server that takes the bearer of the files for a while only', () => {
  /** A server whose guard goes on taking the bearer that it had first. */
  async function graceful(): Promise<GuardedService> {
    const one = await stage({ bearersAlone: true });
    await one.spoil('grace');
    return one;
  }

  it('is not as it was before a deploy that was killed: it is told to read what stands', async () => {
    const one = await graceful();
    const { service } = one;
    const [before, old, env] = [service.files, one.bearer, anotherBearer()];
    const folder = mkdtempSync(join(tmpdir(), 'comfyui-auth-break-'));
    folders.push(folder);
    const point = { match: '^open .*RESTARTED|^rename .*RESTARTED' };
    const ran = service.deploy({ ...env, ...new BreakIn(service.root, folder).env(point) });
    expect([ran.code, await one.withBearer(old), await one.withBearer(one.bearer)]).toEqual([null, 401, 200]);

    const next = service.run('sync', {});
    expect([next.code, next.json.recovered]).toEqual([0, { action: 'rolled-back', command: 'deploy' }]);
    expect(service.files).toEqual(before);
    expect([await one.withBearer(old), await one.withBearer(env.COMFYUI_BEARER_TOKEN)]).toEqual([200, 401]);
    expect(tracesIn(service.root)).toEqual([]);
  });

  it('is reloaded, though its proof is good', async () => {
    const one = await graceful();
    const { service } = one;
    const [old, env] = [one.bearer, anotherBearer()];
    const back = { COMFYUI_USERNAME: 'admin', COMFYUI_BEARER_TOKEN: old };
    expect(service.deploy(env).code).toBe(0);
    expect(service.run('sync', back).json.status).toBe('changed');
    const ran = service.deploy(back);
    expect([ran.code, ran.json.status, ran.json.services[0].restart.action]).toEqual([
      0,
      'deployed',
      'reload',
    ]);
    expect([await one.withBearer(old), await one.withBearer(env.COMFYUI_BEARER_TOKEN)]).toEqual([200, 401]);
  });
});

describe('a server whose guard lets nobody in', () => {
  it('is not waited for where no file is at fault', async () => {
    const one = await stage();
    const { service } = one;
    const layout = service.read('comfyui-auth.yml');
    service.write('comfyui-auth.yml', layout.slice(0, layout.indexOf('    locations:')));
    rmSync(service.path('comfyui/login/PASSWORD'));
    const start = performance.now();
    const ran = service.deploy({}, '--timeout', '60s');
    expect(performance.now() - start).toBeLessThan(20_000);
    expect([ran.code, ran.json.status]).toEqual([3, 'failed']);
    expect(ran.json.findings.map((one: { code: string }) => one.code)).toEqual(['guard-closed']);
    expect(found(ran, 'guard-closed')[0]?.message).toContain('login/PASSWORD is missing');
  });
});

describe('names that end as a page does, open to everybody', () => {
  it.each([
    ['are grave where a guard should have closed them', true, 'critical'],
    ['are a warning where nothing does', false, 'warning'],
  ] as const)('%s', async (_, guard, severity) => {
    const one = await stage({ guard });
    await one.spoil('suffix');
    const ran = one.service.deploy({});
    expect([ran.code, found(ran, 'open-by-suffix').map((one) => one.severity)]).toEqual([0, [severity]]);
  });
});
