import { readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { cheapHash, Deployment, freshPassword } from './entrypoint-harness.ts';

let deployment: Deployment;
beforeEach(async () => {
  deployment = await Deployment.make();
  writeFileSync(deployment.password, `${cheapHash(freshPassword())}\nada`);
});
afterEach(() => deployment.remove());

const IGNORED = [
  ...(['SIGUSR1', 'SIGUSR2', 'SIGALRM', 'SIGVTALRM', 'SIGPROF', 'SIGIO', 'SIGPWR', 'SIGSTKFLT'] as const),
  ...(['SIGXCPU', 'SIGXFSZ', 'SIGTRAP', 'SIGSYS', 'SIGABRT', 'SIGTSTP', 'SIGTTIN', 'SIGTTOU'] as const),
];

/** What the system or Node itself passes over. */
const SILENT = ['SIGPIPE', 'SIGURG', 'SIGWINCH', 'SIGCONT', 'SIGCHLD'] as const;

/** How many sockets of a process listen, by what the kernel says of them. */
function listeners(pid: number): number {
  const listening = ['tcp', 'tcp6'].flatMap((name) =>
    readFileSync(`/proc/${pid}/net/${name}`, 'utf8')
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
      .filter((fields) => fields[3] === '0A')
      .map((fields) => `socket:[${fields[9]}]`),
  );
  const folder = `/proc/${pid}/fd`;
  return readdirSync(folder)
    .map((fd) => readLink(join(folder, fd)))
    .filter((link) => listening.includes(link)).length;
}

function readLink(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    // Closed in the meantime: it was the descriptor of the listing itself.
    return '';
  }
}

/** The process group of a process. */
const groupOf = (pid: number): number =>
  Number(readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ')[2]);

test('what asks for nothing is named, and ends neither us nor ComfyUI', async () => {
  const running = deployment.start(['run']);
  await running.said(/^ready/m);
  const child = deployment.childPid;
  for (const signal of SILENT) running.process.kill(signal);
  for (const signal of IGNORED) {
    running.process.kill(signal);
    await running.said(new RegExp(`^signal-ignored: ${signal} asks for nothing here$`, 'm'));
  }
  expect(running.count('signal-ignored')).toBe(IGNORED.length);
  expect(deployment.health()).toMatchObject({ state: 'READY', childPid: child });
  expect((await deployment.ask('/system_stats')).status).toBe(200);
  expect(await running.stop()).toBe(0);
});

test('SIGUSR1 does not open the inspector, which would hand out what is in memory', async () => {
  const running = deployment.start(['run']);
  await running.said(/^ready/m);
  running.process.kill('SIGUSR1');
  await running.said(/^signal-ignored: SIGUSR1/m);
  expect(running.output).not.toMatch(/Debugger listening|inspector/i);
  expect(listeners(deployment.childPid)).toBe(1);
  expect(listeners(running.process.pid ?? 0)).toBe(0);
  expect(await running.stop()).toBe(0);
});

test('ComfyUI has a process group of its own: what is sent to ours does not reach it', async () => {
  const running = deployment.start(['run']);
  await running.said(/^ready/m);
  const child = deployment.childPid;
  expect([groupOf(child), groupOf(running.process.pid ?? 0)]).toEqual([child, groupOf(process.pid)]);
  expect(await running.stop()).toBe(0);
});

test('a stop reaches all of its group', async () => {
  const worker = `trap "echo worker done; exit 0" INT; echo armed; while :; do sleep 0.05; done`;
  // A shell lets its background jobs ignore SIGINT; what Python starts does not.
  const spawner = `const { spawn } = require('node:child_process');
    process.on('SIGINT', () => undefined);
    spawn('sh', ['-c', ${JSON.stringify(worker)}], { stdio: 'inherit' }).on('exit', () => process.exit(0));`;
  const running = deployment.start(['run', '--', process.execPath, '-e', spawner]);
  await running.said(/^armed/m);
  expect(await running.stop()).toBe(0);
  expect(running.output).toMatch(/^worker done/m);
});

test('Ctrl-C twice, as at a terminal, kills', async () => {
  const stubborn = 'trap "echo interrupted" INT; echo armed; while :; do sleep 0.05; done';
  const running = deployment.start(['run', '--', 'sh', '-c', stubborn], { STOP_GRACE: '10m' });
  await running.said(/^armed/m);
  running.process.kill('SIGINT');
  await running.said(/^interrupted/m);
  expect(await running.stop('SIGINT')).toBe(137);
});

test.each<[string, string]>([
  ['thrown', `throw new Error('of our own')`],
  ['in a promise', `Promise.reject(new Error('of our own'))`],
])('an error of our own that nobody foresaw, %s, leaves no ComfyUI behind: 70', async (_, fault) => {
  const preload = join(deployment.folder, 'fault.cjs');
  const isOurs = `process.argv.includes('run')`;
  writeFileSync(preload, `if (${isOurs}) process.on('SIGWINCH', () => { ${fault}; });`);
  const running = deployment.start(['run'], { NODE_OPTIONS: `--require ${preload}` });
  await running.said(/^ready/m);
  running.process.kill('SIGWINCH');
  expect(await running.ended).toBe(70);
  expect(running.output).toMatch(/^internal: an error of the entrypoint itself$/m);
  await expect(deployment.ask('/system_stats')).rejects.toThrow();
});
