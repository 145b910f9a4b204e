import { existsSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { end, expectBack, IN_THE_GATE, inputs, journal, MUTE, silent } from './action-cut-off.ts';
import { Runner } from './action-stage.ts';
import { RunningService } from './deploy-stage.ts';
import { cheapHash, Deployment, freshSecret, PATHS } from './deployment.ts';

const services: RunningService[] = [];
let runner: Runner;
beforeEach(() => {
  runner = new Runner();
});
afterEach(() => {
  for (const service of services.splice(0)) service.remove();
  runner.remove();
});

async function stage(): Promise<RunningService> {
  const service = await RunningService.start();
  services.push(service);
  return service;
}

describe('a job that is killed', () => {
  /** A deploy that is killed in the gate. */
  async function killed(service: RunningService): Promise<void> {
    const acting = runner.begin(inputs(service), MUTE);
    await acting.heard(IN_THE_GATE);
    expect((await end(acting, 'SIGKILL')).code).toBe(null);
    expect(existsSync(journal(service))).toBe(true);
  }

  it('in the gate: post puts all back', async () => {
    const service = await stage();
    const before = service.files;
    await killed(service);
    expectBack(runner, service, before);
  });

  it('fails after all where not all can be put back', async () => {
    const service = await stage();
    await killed(service);
    service.write('.env', 'SOMEBODY=else\n');
    const ran = runner.post(inputs(service), MUTE);
    expect([ran.code, ran.stderr]).toEqual([1, '']);
    expect(ran.log).toMatch(/^::error::Not all files could be put back .*\.env/m);
    expect(service.read('.env')).toBe('SOMEBODY=else\n');
  });

  it('fails after all where the service is open with the old files too, and stops it', async () => {
    const service = await stage();
    const before = service.files;
    await killed(service);
    service.write('always', 'open');
    const ran = runner.post(inputs(service), MUTE);
    expect(ran.code).toBe(1);
    expect(ran.log).toMatch(/^::error title=open::/m);
    expect(ran.log).toMatch(/^::error title=left-stopped::/m);
    expect(ran.log).toContain(
      '::error::"deploy" was cut off; every file is as it was before, but what could not be proven on the old files was stopped',
    );
    expect([service.files, service.pid]).toEqual([before, undefined]);
  });

  it('can be cancelled in post as well: the next run goes on', async () => {
    const service = await stage();
    const before = service.files;
    await killed(service);
    service.write('always', 'mute');
    const post = runner.beginPost(inputs(service), MUTE);
    await post.heard(IN_THE_GATE);
    const ran = await end(post, 'SIGINT');
    expect(ran.code).toBe(1);
    expect(ran.log).toMatch(/^::error::ended by SIGINT .* in the middle/m);
    expect(existsSync(journal(service))).toBe(true);
    service.write('always', 'good');
    expectBack(runner, service, before);
  });

  it('can be cancelled in the next run, though that hears of no signal', async () => {
    const service = await stage();
    const before = service.files;
    await killed(service);
    service.write('always', 'mute');
    const sync = runner.begin({ command: 'sync', root: service.root });
    await sync.heard(IN_THE_GATE);
    const ran = await end(sync, 'SIGINT');
    expect([ran.code, ran.outputs['exit-code']]).toEqual([1, '6']);
    expect(ran.log).toMatch(/^::error::ended by SIGINT .* in the middle/m);
    service.write('always', 'good');
    expectBack(runner, service, before);
  });

  // Ends the process itself in front of the nth rename, as a kill would.
  const bomb = `const fs = require('node:fs'); const { renameSync } = fs; let left = +process.env.RENAMES;
fs.renameSync = (...names) => { if (left-- <= 0) process.kill(process.pid, 'SIGKILL'); return renameSync(...names); };`;
  it('at any step of a sync: post leaves all old, or all new', () => {
    const tree = new Deployment();
    tree.write('bomb.cjs', bomb);
    const old = cheapHash(freshSecret());
    let pending = 0;
    for (let renames = 0; ; renames++) {
      for (const path of [PATHS.token, PATHS.tokenCopy]) tree.write(path, old);
      const ran = runner.act(
        { root: tree.root },
        { NODE_OPTIONS: `--require ${tree.path('bomb.cjs')}`, RENAMES: String(renames) },
      );
      if (ran.code === 0) break;
      expect([ran.code, renames < 20]).toEqual([null, true]);
      const left = existsSync(tree.path('.comfyui-auth/journal.json'));
      const post = runner.post({ root: tree.root });
      expect(post).toMatchObject(left ? { code: 0, stderr: '' } : silent);
      if (left) expect(post.log).toMatch(/^(?:::warning::)?"sync" was cut off; .*(?:as it was|put back)/m);
      expect(existsSync(tree.path('.comfyui-auth/journal.json'))).toBe(false);
      expect(tree.read(PATHS.token).trim()).toBe(tree.read(PATHS.tokenCopy).trim());
      pending += Number(left);
    }
    expect(pending).toBeGreaterThan(3);
    tree.remove();
  });
});

describe('after a job that was cut off before it did anything', () => {
  it('post says nothing, and touches nothing, not even the lock', () => {
    const tree = new Deployment();
    tree.write(PATHS.token, cheapHash(freshSecret()));
    for (const inputs of [{ root: tree.root }, { root: tree.path('nowhere'), command: 'audit' }]) {
      expect(runner.post(inputs, { STATE_phase: 'begun' })).toMatchObject(silent);
    }
    expect(existsSync(tree.path('.comfyui-auth'))).toBe(false);
    expect(runner.act({ root: tree.root }).outputs.status).toBe('changed');
    const before = tree.photograph();
    expect(runner.post({ root: tree.root }, { STATE_phase: 'begun' })).toMatchObject(silent);
    expect(tree.photograph()).toEqual(before);
    tree.remove();
  });

  it('post warns, and fails no job, where it cannot look', () => {
    const ran = runner.post({ root: '/nowhere' }, { STATE_phase: 'begun' });
    expect([ran.code, ran.stderr, ran.log]).toEqual([
      0,
      '',
      expect.stringMatching(/^::warning::\/nowhere is not there%0A→ .*\n$/),
    ]);
  });
});
