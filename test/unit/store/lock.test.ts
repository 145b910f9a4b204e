import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { acquireLock } from '../../../src/store/lock.ts';
import { bundle } from './bundle.ts';
import { failureOf, scratch, stateIn } from './scratch.ts';

/** Starts the lock-holding process; it ends with the test. */
function start(program: string, args: string[], env: NodeJS.ProcessEnv = process.env): ChildProcess {
  const child = spawn(process.execPath, [program, ...args], { env, stdio: ['pipe', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  return child;
}

async function holding(program: string, path: string): Promise<ChildProcess> {
  const child = start(program, ['hold', path]);
  if (child.stdout === null) throw new Error('no stdout');
  await once(child.stdout, 'data');
  return child;
}

/** An environment whose PATH holds no flock. */
function withoutFlock(): void {
  const empty = join(scratch(), 'bin');
  mkdirSync(empty);
  vi.stubEnv('PATH', empty);
  onTestFinished(() => void vi.unstubAllEnvs());
}

describe('acquireLock', () => {
  it('names the holder to a second process, and is free when the holder is killed', async () => {
    const folder = scratch();
    const state = stateIn(folder);
    const holder = await holding(bundle('lock-holder.ts', folder), state.path);
    const failure = failureOf(() => acquireLock(state, 'sync'));
    expect(failure).toMatchObject({ code: 'locked', exit: 3 });
    expect(failure.message).toContain(`process ${holder.pid}, hold`);
    holder.kill('SIGKILL');
    await once(holder, 'exit');
    acquireLock(state, 'sync').release();
  });

  it('can be taken again after it was released, and its file stays', () => {
    const state = stateIn(scratch());
    for (let n = 0; n < 3; n++) {
      const lock = acquireLock(state, 'sync');
      expect(failureOf(() => acquireLock(state, 'sync')).message).toContain(`process ${process.pid}, sync`);
      lock.release();
    }
    expect(readFileSync(join(state.path, 'lock'), 'utf8')).toBe('');
  });

  it('lets 20 processes in one at a time', async () => {
    const folder = scratch();
    const state = stateIn(folder);
    const program = bundle('lock-holder.ts', folder);
    const counter = join(folder, 'counter');
    writeFileSync(counter, '0');
    const children = Array.from({ length: 20 }, () => start(program, ['count', state.path, '5', counter]));
    const codes = await Promise.all(children.map(async (child) => (await once(child, 'exit'))[0]));
    expect(codes).toEqual(Array(20).fill(0));
    expect(readFileSync(counter, 'utf8')).toBe('100');
  });

  it('refuses on a Linux without flock, whether or not somebody holds the lock', () => {
    const state = stateIn(scratch());
    const lock = acquireLock(state, 'sync', 'linux');
    withoutFlock();
    const failure = failureOf(() => acquireLock(state, 'sync', 'linux'));
    expect(failure).toMatchObject({ code: 'flock-missing', exit: 2 });
    expect(failure.remedy).toContain('util-linux');
    lock.release();
    expect(failureOf(() => acquireLock(state, 'sync', 'linux')).code).toBe('flock-missing');
    expect(existsSync(join(state.path, 'lock.held'))).toBe(false);
  });

  it.each(['darwin', 'win32'] as const)(
    'on %s is a file that names its holder, and is never stolen',
    (system) => {
      withoutFlock();
      const acquire = () => acquireLock(state, 'sync', system);
      const state = stateIn(scratch());
      const path = join(state.path, 'lock.held');
      const lock = acquire();
      expect(readFileSync(path, 'utf8')).toBe(`process ${process.pid}, sync\n`);
      expect(failureOf(acquire)).toMatchObject({ code: 'locked', exit: 3 });
      lock.release();
      expect(existsSync(path)).toBe(false);

      writeFileSync(path, 'process 999999999, sync\n');
      const failure = failureOf(acquire);
      expect(failure.message).toContain('process 999999999, sync');
      expect(failure.remedy).toContain(`remove ${path}`);
      expect(existsSync(path)).toBe(true);
      vi.unstubAllEnvs();
      const other = failureOf(() => acquireLock(state, 'sync', 'linux'));
      expect(other.message).toContain('process 999999999, sync');
    },
  );
});
