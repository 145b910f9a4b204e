import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { end, journal } from './action-cut-off.ts';
import { Runner } from './action-stage.ts';
import { freshSecret } from './deployment.ts';
import { GuardedService } from './guarded-service.ts';
import { tracesIn } from './traces.ts';

const stages: GuardedService[] = [];
let runner: Runner;
beforeEach(() => {
  runner = new Runner();
});
afterEach(async () => {
  for (const one of stages.splice(0)) await one.remove();
  runner.remove();
});

async function stage(options: Parameters<typeof GuardedService.start>[0] = {}): Promise<GuardedService> {
  const one = await GuardedService.start(options);
  stages.push(one);
  return one;
}

const inputs = (one: GuardedService, more: Record<string, string> = {}) => ({
  command: 'deploy',
  root: one.service.root,
  timeout: '20s',
  ...more,
});

describe('the action and a server with the guard', () => {
  it('reloads it, and says so', async () => {
    const one = await stage({ readers: 'compose, dotenv' });
    const [pid, old] = [one.service.pid, one.bearer];
    const ran = runner.act(inputs(one, { restart: 'reload', password: freshSecret() }));
    expect([ran.code, ran.outputs.status, ran.outputs.proved]).toEqual([0, 'deployed', 'true']);
    expect(ran.summary).toContain('reloaded live, without a restart, proven after');
    expect(ran.report.services[0].restart.action).toBe('reload');
    expect([one.service.pid, await one.withBearer(old)]).toEqual([pid, 401]);
  });

  it.each(['command', 'none'] as const)(
    'puts all back after the job, where that was killed behind a reload; driver %s',
    async (driver) => {
      const one = await stage({ driver });
      await one.spoil('hush');
      const [before, old] = [one.service.files, one.bearer];
      const given = inputs(one, { password: freshSecret() });
      const acting = runner.begin(given);
      await acting.heard('reloading it');
      await one.refuses(old);
      expect((await end(acting, 'SIGKILL')).code).toBe(null);
      expect(tracesIn(one.service.root)).toContain(journal(one.service).slice(one.service.root.length + 1));
      one.heal();
      const post = runner.post(given);
      expect([post.code, post.stderr]).toEqual([0, '']);
      expect([one.service.files, await one.withBearer(old)]).toEqual([before, 200]);
      expect(tracesIn(one.service.root)).toEqual([]);
    },
  );
});

describe('a recovery whose reload nobody answers', () => {
  it('asks the server all the same: it may have been done', async () => {
    const one = await stage({ driver: 'none' });
    await one.spoil('hush');
    const [before, old] = [one.service.files, one.bearer];
    const given = inputs(one, { password: freshSecret(), timeout: '3s' });
    const acting = runner.begin(given);
    await acting.heard('reloading it');
    await one.refuses(old);
    await end(acting, 'SIGKILL');
    const post = runner.post(given);
    expect([post.code, one.service.files, await one.withBearer(old)]).toEqual([0, before, 200]);
  });
});
