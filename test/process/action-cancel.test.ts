import { existsSync, readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { end, expectBack, IN_THE_GATE, inputs, journal, MUTE, silent } from './action-cut-off.ts';
import { Runner } from './action-stage.ts';
import { RunningService } from './deploy-stage.ts';

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
      expectBack(runner, service, before);
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
    expectBack(runner, service, before);
  });

  it('while a server that was found open is being stopped, and that hangs, ends in time all the same', async () => {
    const service = await stage();
    const before = service.files;
    const hang = `require('fs').writeFileSync(process.argv[1], String(process.pid)); setInterval(() => undefined, 1e6)`;
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
    await gone(Number(service.read('stopping')));
    expectBack(runner, service, before);
  });

  it('before anything was changed has nothing to put back', async () => {
    const service = await stage();
    const before = service.files;
    const first = runner.begin(inputs(service), MUTE);
    await first.heard(IN_THE_GATE);
    const behind = aRunner();
    const second = behind.begin(inputs(service), MUTE);
    await second.heard('waiting: ');
    const ran = await end(second, 'SIGINT');
    expect(ran.outputs).toMatchObject({ 'exit-code': '3', changed: 'false' });
    expect(ran.log).toMatch(/^::error::ended by SIGINT .*; this run has changed no file/m);
    expect(behind.post(inputs(service), MUTE)).toMatchObject(silent);

    const third = behind.begin(inputs(service), MUTE);
    await third.heard('waiting: ');
    await end(third, 'SIGKILL');
    // Nobody has said what it left. The journal is that of the first one, which is still at work.
    const after = behind.post(inputs(service, { timeout: '1s' }), MUTE);
    expect([after.code, after.stderr]).toEqual([0, '']);
    expect(after.log).toMatch(/^waiting: .*: held by process \d+, deploy$/m);
    expect(after.log).toMatch(/^::warning.*::.*: held by process \d+, deploy%0A→ /m);
    expect(existsSync(journal(service))).toBe(true);
    await end(first, 'SIGINT');
    expectBack(runner, service, before);
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
