import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { build } from 'esbuild';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { GUARD_NODE, LOGIN_NODE, layComfyUi, layGuard } from '../../src/stand-in/tree.ts';
import { freshPair, readsEverything, statusOf, statusWith } from './stage.ts';

const SOURCE = `
import { standInPython } from './src/stand-in/python.ts';
process.exitCode = await standInPython(process.argv.slice(2), process.stdout, process.stderr);
`;

describe('the stand-in for ComfyUI’s Python', () => {
  const dir = mkdtempSync(join(tmpdir(), 'comfyui-'));
  const program = join(dir, 'python.mjs');
  let child: ChildProcess | undefined;

  beforeAll(async () => {
    layComfyUi(dir);
    const stdin = {
      contents: SOURCE,
      resolveDir: join(import.meta.dirname, '..', '..'),
      loader: 'ts' as const,
    };
    await build({ stdin, bundle: true, platform: 'node', format: 'esm', outfile: program });
  });
  afterEach(() => child?.kill('SIGKILL'));
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  const run = (...args: string[]) => spawnSync(process.execPath, [program, ...args], { encoding: 'utf8' });

  /** Starts it as the entrypoint does, and waits until it says where it listens. */
  async function serve(): Promise<{ url: string; token: string | undefined; ended: Promise<unknown[]> }> {
    const flags = ['--listen', '127.0.0.1', '--port', '0'];
    child = spawn(process.execPath, [program, '-u', 'main.py', ...flags], { cwd: dir, stdio: 'pipe' });
    const ended = once(child, 'exit');
    let token: string | undefined;
    for await (const line of createInterface({ input: child.stderr as NodeJS.ReadableStream })) {
      token ??= /use token=(\S+)/.exec(line)?.[1];
      const url = /To see the GUI go to: (\S+)/.exec(line)?.[1];
      if (url !== undefined) return { url, token, ended };
    }
    throw new Error('it ended before it listened');
  }

  it('serves main.py from its folder, and ends by SIGINT with 0', async () => {
    const { hash } = freshPair();
    writeFileSync(join(dir, 'login', 'PASSWORD'), `${hash}\nadmin`);
    const { url, token, ended } = await serve();
    expect(token).toBe(hash);
    expect([await statusOf(`${url}/queue`), await statusWith(`${url}/queue`, hash)]).toEqual([401, 200]);
    child?.kill('SIGINT');
    expect(await ended).toEqual([0, null]);
  });

  it('with the guard reloads by SIGHUP, and says so on stdout', async () => {
    const [old, next] = [freshPair().hash, freshPair().hash];
    writeFileSync(join(dir, 'login', 'PASSWORD'), `${old}\nadmin`);
    layGuard(dir);
    try {
      const { url } = await serve();
      const events = createInterface({ input: child?.stdout as NodeJS.ReadableStream });
      writeFileSync(join(dir, 'login', 'PASSWORD'), `${next}\nadmin`);
      child?.kill('SIGHUP');
      const seen: string[] = [];
      for await (const line of events) {
        const { source, event } = JSON.parse(line);
        seen.push(`${source}: ${event}`);
        if (event === 'reload') break;
      }
      expect(seen).toEqual(['guard: guard-ready', 'guard: rotation', 'guard: reload']);
      expect([await statusWith(`${url}/queue`, old), await statusWith(`${url}/queue`, next)]).toEqual([
        401, 200,
      ]);
    } finally {
      rmSync(join(dir, GUARD_NODE), { recursive: true });
    }
  });

  it('with the guard ends with 78 before it listens where the login node is not loaded', () => {
    const folder = join(dir, 'without-login');
    layComfyUi(folder);
    layGuard(folder);
    rmSync(join(folder, LOGIN_NODE), { recursive: true });
    const { status, stderr, stdout } = run('-u', join(folder, 'main.py'), '--port', '0');
    expect([status, stdout]).toEqual([78, '']);
    expect(stderr).toMatch(/^comfyui-auth guard: .+\. Remedy: .+\n$/);
  });

  it('dies by SIGTERM, as ComfyUI does', async () => {
    const { ended } = await serve();
    child?.kill('SIGTERM');
    expect(await ended).toEqual([null, 'SIGTERM']);
  });

  it('answers the check of its packages: all are there', () => {
    const { status, stdout } = run('-I', '-c', 'import bcrypt', dir, 'bcrypt');
    const facts = { tag: 'cp312', versions: {} };
    expect([status, JSON.parse(stdout)]).toMatchObject([
      0,
      { imports: {}, files: {}, keyCanBeMade: true, facts },
    ]);
  });

  it.skipIf(readsEverything())('cannot read what its user cannot read', () => {
    const path = join(dir, 'closed');
    writeFileSync(path, '');
    chmodSync(path, 0);
    expect(run('-c', 'open', path).status).toBe(1);
  });

  it('is no Python for anything else', () => {
    expect(run('-m', 'pip').status).toBe(2);
    expect(run('--version').stdout).toMatch(/^Python 3\./);
  });
});
