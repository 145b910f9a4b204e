import { afterEach, describe, expect, it } from 'vitest';
import { CLI, found, freshSecret, runBundle } from './deployment.ts';
import { GuardedService } from './guarded-service.ts';
import { tracesIn } from './traces.ts';

const stages: GuardedService[] = [];
afterEach(async () => {
  for (const one of stages.splice(0)) await one.remove();
});

async function stage(options: Parameters<typeof GuardedService.start>[0] = {}): Promise<GuardedService> {
  const one = await GuardedService.start(options);
  stages.push(one);
  return one;
}

/** A service of a layout that stands in another folder. */
function below({ service }: GuardedService, name: string): string {
  const [, , , ...lines] = service.read('comfyui-auth.yml').split('\n');
  const own = lines
    .join('\n')
    .replaceAll(/(file|path): ([^\s,/]\S*?)(?=[,\s])/g, (_, key, path) => `${key}: ${service.path(path)}`)
    .replace('.env,', '.env, outside: true,')
    .replace('kind: password-file', 'outside: true, kind: password-file');
  return `  ${name}:\n${own}`;
}

describe('a deploy to several servers with the guard', () => {
  it('reloads back what was reloaded where another is not proven', async () => {
    const [one, two] = [await stage(), await stage({ driver: 'none' })];
    await two.spoil('sick');
    const text = `version: 1\nservices:\n${below(one, 'one')}${below(two, 'two')}`;
    one.service.write('both/comfyui-auth.yml', text);
    const before = [one, two].map(({ service }) => [service.files, service.pid]);
    const bearers = [one.bearer, two.bearer];
    const args = ['--service', 'one', '--service', 'two', '--restart', 'reload', '--timeout', '20s'];
    const env = { COMFYUI_PASSWORD: freshSecret() };
    const root = one.service.path('both');
    const ran = runBundle(CLI, ['deploy', '--root', root, '--json', ...args], { env });
    expect([ran.code, ran.json.status]).toEqual([5, 'rolled-back']);
    for (const service of ran.json.services) {
      expect(service).toMatchObject({ restart: { action: 'reload' }, rolledBack: true });
    }
    expect([one, two].map(({ service }) => [service.files, service.pid])).toEqual(before);
    const answers = await Promise.all([one.withBearer(bearers[0] ?? ''), two.withBearer(bearers[1] ?? '')]);
    expect(answers).toEqual([200, 200]);
    expect(tracesIn(root)).toEqual([]);
  });
});

describe('a process that is older than its files, and whose guard refuses', () => {
  it('stays as it is, and nothing of the attempt is left', async () => {
    const one = await stage({ driver: 'none' });
    const { service } = one;
    const [env, old] = [{ COMFYUI_PASSWORD: freshSecret() }, one.bearer];
    service.run('sync', env);
    await one.spoil('refused');
    const [files, pid] = [service.files, service.pid];
    const ran = service.deploy(env);
    expect([ran.code, ran.json.status]).toEqual([1, 'failed']);
    expect(ran.json.services[0]).toMatchObject({ restart: { action: 'none' }, rolledBack: false });
    expect(found(ran, 'bearer-refused')).toHaveLength(1);
    expect(found(ran, 'restart-failed')[0]?.message).toContain('password-invalid');
    expect([service.files, service.pid, await one.withBearer(old)]).toEqual([files, pid, 200]);
    expect(tracesIn(service.root)).toEqual([]);
  });
});
