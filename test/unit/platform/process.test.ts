import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, watch } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { actionProcess } from '../../../src/action/exec.ts';
import { nodeProcess } from '../../../src/platform/process.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'process-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Starts a program that starts another, which writes its id and stays. */
const PARENT = `
const { spawn } = require('node:child_process');
const child = "require('node:fs').writeFileSync('pid', String(process.pid)); setInterval(() => undefined, 60000);";
spawn(process.execPath, ['-e', child], { stdio: 'inherit' });
setInterval(() => undefined, 60000);
`;

async function grandchild(): Promise<number> {
  const path = join(folder, 'pid');
  const watcher = watch(folder);
  while (!existsSync(path) || readFileSync(path, 'utf8') === '') await once(watcher, 'change');
  watcher.close();
  return Number(readFileSync(path, 'utf8'));
}

/** Resolves when a process is gone, or only waits to be reaped. */
async function gone(pid: number): Promise<void> {
  for (;;) {
    try {
      if (readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ')) return;
    } catch {
      return;
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const ports = [
  ['node', nodeProcess],
  ['the action', actionProcess],
] as const;

describe.skipIf(process.platform !== 'linux').each(ports)(
  'a program that is ended, by the port of %s',
  (_, port) => {
    it('by a signal takes with it what it has started', async () => {
      const ending = new AbortController();
      const options = { cwd: folder, signal: ending.signal };
      const ran = port.run(process.execPath, ['-e', PARENT], options);
      const pid = await grandchild();
      ending.abort();
      expect(await ran).toMatchObject({ code: null, failure: 'ABORT_ERR' });
      await gone(pid);
    });

    it('by its time takes with it what it has started', async () => {
      const ran = port.run(process.execPath, ['-e', PARENT], { cwd: folder, timeoutMs: 2000 });
      const pid = await grandchild();
      expect(await ran).toMatchObject({ code: null, failure: 'SIGKILL' });
      await gone(pid);
    });
  },
);

/** Starts a program that starts a daemon, which writes its id and chatters, and then goes on as `last` says. */
const leaving = (last: string): [string, string[]] => {
  const daemon =
    'require("node:fs").writeFileSync("pid", String(process.pid)); setInterval(() => console.log("x"), 1)';
  // The shell between them ends at once: nothing tells any more whose child the daemon was.
  const script = `echo first; sh -c '"$@" &' sh "$@"; while ! test -s pid; do :; done; echo last; ${last}`;
  return ['sh', ['-c', script, 'sh', process.execPath, '-e', daemon]];
};

describe.skipIf(process.platform !== 'linux').each(ports)('a daemon, by the port of %s', (_, port) => {
  it('is not waited for, and lives on', async () => {
    const ran = port.run(...leaving('exit 3'), { cwd: folder, timeoutMs: 20_000 });
    const pid = await grandchild();
    const { stdout, stdoutBytes: _, ...rest } = await ran;
    expect([stdout.replaceAll('x\n', ''), rest]).toEqual(['first\nlast\n', { code: 3, stderr: '' }]);
    expect(() => process.kill(pid, 0)).not.toThrow();
    process.kill(pid, 'SIGKILL');
    await gone(pid);
  });

  it('is not waited for where the program is ended by its time', async () => {
    const ran = port.run(...leaving('sleep 60'), { cwd: folder, timeoutMs: 2000 });
    const pid = await grandchild();
    expect(await ran).toMatchObject({ code: null, failure: 'SIGKILL' });
    await gone(pid);
  });
});

it.each(ports)('bytes that are no UTF-8 are given as they are, by the port of %s', async (_, port) => {
  const script = 'process.stdout.write(Buffer.from([0x61, 0xff]))';
  const { stdoutBytes } = await port.run(process.execPath, ['-e', script]);
  expect(stdoutBytes).toEqual(Buffer.from([0x61, 0xff]));
});
