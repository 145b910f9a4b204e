import { mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/platform/clock.ts';
import { nodeProcess } from '../../src/platform/process.ts';
import { EngineMemory } from '../../src/service/engine.ts';
import { driverFor } from '../../src/service/index.ts';
import { freshSecret } from './deployment.ts';
import { expectSilent } from './silence.ts';

let root: string;
beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'comfyui-auth-command-')));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const secret = freshSecret();

const deps = (timeoutMs = 20_000) => ({
  process: nodeProcess,
  env: { PATH: process.env.PATH ?? '', HF_TOKEN: 'of the shell', COMFYUI_PASSWORD: secret },
  root,
  envKeys: ['HF_TOKEN'],
  hide: (text: string) => text.replaceAll(secret, '[secret]'),
  memory: new EngineMemory(systemClock),
  timeoutMs,
  questionMs: timeoutMs,
});

/** A program that is run as the layout's command. */
function program(name: string, source: string): string[] {
  writeFileSync(join(root, name), source);
  return [process.execPath, name, 'one word; $HOME'];
}

const driver = (command: string[], stop?: string[], timeoutMs?: number) =>
  driverFor({ driver: 'command', command, ...(stop && { stop }) }, deps(timeoutMs));

const RECORD = `require('fs').writeFileSync('ran', JSON.stringify([process.argv.slice(2), process.cwd(), process.env]))`;
const recorded = () => JSON.parse(readFileSync(join(root, 'ran'), 'utf8'));

describe('a command of the layout', () => {
  it('runs as it is written, in the folder of the layout, without the credential', async () => {
    await driver(program('restart.cjs', RECORD)).restart('restart');
    const [args, cwd, env] = recorded();
    expect([args, cwd]).toEqual([['one word; $HOME'], root]);
    expect(Object.keys(env)).toEqual(['PATH']);
  });

  it('that ends with another code than 0 restarted nothing', async () => {
    const command = program('restart.cjs', `console.error('it has no ${secret} here'); process.exitCode = 7`);
    const failure = await driver(command)
      .restart('recreate')
      .catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'restart-failed', exit: 5 });
    expect((failure as Error).message).toMatch(/exit code 7: it has no \[secret\] here$/);
    expectSilent((failure as Error).message, [secret]);
  });

  it.each([
    ['is not there', ['./no-such-program'], 'could not be run (ENOENT)'],
    ['does not end', [process.execPath, '-e', 'setInterval(() => 0, 1e6)'], 'did not end within 1 s'],
  ])('that %s restarted nothing', async (_, command, words) => {
    await expect(driver(command, undefined, 1000).restart('restart')).rejects.toMatchObject({
      code: 'restart-failed',
      message: expect.stringContaining(words),
    });
  });

  it('shows no containers, and ends the service where the layout says how', async () => {
    const command = [process.execPath, '-e', '0'];
    expect(await driver(command).containers()).toEqual([]);
    expect(await driver(command).stop()).toBe(false);
    expect(await driver(command, program('stop.cjs', RECORD)).stop()).toBe(true);
    expect(recorded()[1]).toBe(root);
    expect(await driver(command, [process.execPath, '-e', 'process.exit(1)']).stop()).toBe(false);
  });
});

it('without a driver nothing is done, and nothing is certain', async () => {
  const none = driverFor({ driver: 'none' }, deps());
  await none.restart('recreate');
  expect([none.name, await none.containers(), await none.stop()]).toEqual(['none', [], false]);
});
