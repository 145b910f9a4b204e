import { existsSync, readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Acted, type Acting, Runner } from './action-stage.ts';
import { RunningService } from './deploy-stage.ts';
import { cheapHash, Deployment, freshSecret, PATHS } from './deployment.ts';

const services: RunningService[] = [];
const runners: Runner[] = [];
let runner: Runner;
beforeEach(() => {
  runner = aRunner();
});
afterEach(() => {
  for (const service of services.splice(0)) service.remove();
  for (const one of runners.splice(0)) one.remove();
});

function aRunner(): Runner {
  const one = new Runner();
  runners.push(one);
  return one;
}

async function stage(): Promise<RunningService> {
  const service = await RunningService.start();
  services.push(service);
  return service;
}

/** A deploy onto a server that never listens: it stays in the gate. */
const inputs = (service: RunningService, more: Record<string, string> = {}) => ({
  command: 'deploy',
  root: service.root,
  timeout: '30s',
  password: 'the same in all, and no secret',
  variables: 'MODE',
  ...more,
});
const MUTE = { MODE: 'mute' };

const IN_THE_GATE = /: (?:restarting|recreating) it\n[\s\S]*: down/;

/** The bound of reliability.md, T8. */
const END_MS = 2_000;

/** Sends a signal; gives what came of it, and holds that it came in time. */
async function end(acting: Acting, signal: NodeJS.Signals): Promise<Acted> {
  const started = performance.now();
  acting.child.kill(signal);
  const ran = await acting.ended;
  expect(performance.now() - started).toBeLessThan(END_MS);
  return ran;
}

const journal = (service: RunningService) => service.path('.comfyui-auth/journal.json');
const silent = { code: 0, stdout: '', stderr: '' };

/** What every run that was cut off in the gate comes to, once `post` has run. */
function expectBack(service: RunningService, before: RunningService['files'], ran: Acted) {
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

describe('a job that is cancelled', () => {
  it.each(['SIGINT', 'SIGTERM'] as const)(
    'by %s in the gate ends at once; post puts all back',
    async (signal) => {
      const service = await stage();
      const before = service.files;
      const acting = runner.begin(inputs(service), MUTE);
      await acting.heard(IN_THE_GATE);
      const ran = await end(acting, signal);
      expect([ran.code, ran.stderr]).toEqual([1, '']);
      expect(ran.log).toMatch(
        new RegExp(
          `^::error::ended by ${signal} \\(the job was cancelled\\) in the middle \\(RESTARTED\\)`,
          'm',
        ),
      );
      expect(ran.outputs).toMatchObject({
        status: 'error',
        'exit-code': '6',
        changed: 'true',
        'rolled-back': 'false',
      });
      expect(ran.summary).toContain('ended by');
      expect(existsSync(journal(service))).toBe(true);
      expectBack(service, before, runner.post(inputs(service), MUTE));
    },
  );

  it('while a restart hangs, and holds on to all it was given', async () => {
    const service = await stage();
    const before = service.files;
    const layout = service.read('comfyui-auth.yml');
    const real = JSON.parse(/command: (\[.*?\])/.exec(layout)?.[1] ?? '[]') as string[];
    service.write(
      'hang.mjs',
      `import { spawn, spawnSync } from 'node:child_process';
      import { existsSync, writeFileSync } from 'node:fs';
      const flag = ${JSON.stringify(service.path('hung'))};
      if (existsSync(flag)) process.exit(spawnSync(${JSON.stringify(real[0])}, ${JSON.stringify(real.slice(1))}).status);
      process.on('SIGTERM', () => undefined);
      const child = spawn(process.execPath, ['-e', 'setInterval(() => undefined, 1e6)'], { stdio: 'inherit' });
      writeFileSync(flag, JSON.stringify([process.pid, child.pid]));
      setInterval(() => undefined, 1e6);`,
    );
    const hanging = JSON.stringify([process.execPath, service.path('hang.mjs')]);
    service.write('comfyui-auth.yml', layout.replace(JSON.stringify(real), hanging));
    const acting = runner.begin(inputs(service), MUTE);
    await there(service.path('hung'));
    const ran = await end(acting, 'SIGINT');
    expect(ran.outputs['exit-code']).toBe('6');
    for (const pid of JSON.parse(service.read('hung'))) await gone(pid);
    expectBack(service, before, runner.post(inputs(service), MUTE));
  });

  it('while a server that was found open is being stopped, and that hangs, ends in time all the same', async () => {
    const service = await stage();
    const before = service.files;
    const hang = `require('fs').writeFileSync(process.argv[1], 'x'); setInterval(() => undefined, 1e6)`;
    const stop = JSON.stringify([process.execPath, '-e', hang, service.path('stopping')]);
    const layout = service.read('comfyui-auth.yml');
    service.write(
      'comfyui-auth.yml',
      layout.replace(/stop: \[.*?\]/, () => `stop: ${stop}`),
    );
    const acting = runner.begin(inputs(service), { MODE: 'open' });
    await there(service.path('stopping'));
    const ending = end(acting, 'SIGINT');
    // The runner's next one comes much later; it must not cut off the last words.
    acting.child.kill('SIGTERM');
    const ran = await ending;
    expect([ran.code, ran.outputs['exit-code']]).toEqual([1, '6']);
    expect(ran.log).toMatch(/^::error::ended by SIG\w+ \(the job was cancelled\) in the middle/m);
    expectBack(service, before, runner.post(inputs(service), MUTE));
  });

  it('before anything was changed has nothing to put back', async () => {
    const service = await stage();
    const before = service.files;
    const first = runner.begin(inputs(service), MUTE);
    await first.heard(IN_THE_GATE);
    const [behind, short] = [aRunner(), inputs(service, { timeout: '1s' })];
    const second = behind.begin(inputs(service), MUTE);
    await second.heard('waiting: ');
    const ran = await end(second, 'SIGINT');
    expect(ran.outputs).toMatchObject({ 'exit-code': '3', changed: 'false' });
    expect(ran.log).toMatch(/^::error::ended by SIGINT .*; this run has changed no file/m);
    // The journal is that of the first one, which is still at work.
    const after = behind.post(short, MUTE);
    expect([after.code, after.stderr]).toEqual([0, '']);
    expect(after.log).toMatch(/^waiting: .*: held by process \d+, deploy$/m);
    expect(after.log).toMatch(/^::warning::.*: held by process \d+, deploy%0A→ /m);
    expect(existsSync(journal(service))).toBe(true);
    await end(first, 'SIGINT');
    expectBack(service, before, runner.post(inputs(service), MUTE));
  });

  it('while it only asks leaves to others what others have left', async () => {
    const service = await stage();
    const deploying = runner.begin(inputs(service), MUTE);
    await deploying.heard(IN_THE_GATE);
    await end(deploying, 'SIGINT');
    const asker = aRunner();
    const probe = { command: 'probe', root: service.root, timeout: '30s' };
    const asking = asker.begin(probe);
    await asking.heard('comfyui: down');
    const ran = await end(asking, 'SIGINT');
    expect(ran.log).toContain(
      '::error::ended by SIGINT (the job was cancelled); this run has changed no file',
    );
    expect(ran.outputs['exit-code']).toBe('3');
    expect(asker.post(probe)).toMatchObject(silent);
    expect(existsSync(journal(service))).toBe(true);
  });
});

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
    expectBack(service, before, runner.post(inputs(service), MUTE));
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
    expectBack(service, before, runner.post(inputs(service), MUTE));
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

/** Resolves when a process is gone, or only waits to be reaped. */
async function gone(pid: number): Promise<void> {
  const stat = `/proc/${pid}/stat`;
  while (existsSync(stat) && !readFileSync(stat, 'utf8').includes(') Z ')) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Resolves when a file is there and has content. */
async function there(path: string): Promise<void> {
  while (!existsSync(path) || readFileSync(path, 'utf8') === '') {
    await new Promise((resolve) => setImmediate(resolve));
  }
}
