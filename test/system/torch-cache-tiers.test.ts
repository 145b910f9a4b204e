import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createTrap } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Stage, Workshop } from './torch-cache/stage.ts';
import { torchWheels, writeWheels } from './torch-cache/wheels.ts';

let workshop: Workshop;
let stage: Stage;
beforeAll(() => {
  workshop = new Workshop();
});
afterAll(() => workshop.remove());
beforeEach(() => {
  stage = new Stage(workshop);
});
afterEach(() => stage.remove());

const pathFile = () => join(workshop.sitePackages, 'comfyui-auth-torch.pth');

/** Installs the wheels of the wheelhouse as the operator would. */
const install = (...specs: string[]) =>
  execFileSync(
    workshop.python,
    ['-m', 'pip', 'install', '-q', '--no-index', '--no-deps', '-f', stage.wheelhouse, ...specs],
    {
      env: { PATH: process.env.PATH ?? '', PIP_CONFIG_FILE: '/dev/null' },
    },
  );
const ALL = ['tinydep==1.0', 'torch==2.5.1+cpu', 'torchvision==0.2.5.1+cpu', 'torchaudio==2.5.1+cpu'];

describe('T2 and T1', () => {
  test('a wheelhouse becomes a store, which every later start finds as it is', async () => {
    const first = await stage.run();
    expect(first).toMatchObject({ code: 0, tier: 'T2' });
    expect(first.events.map(({ event }) => event)).toEqual([
      'torch-build',
      'torch-test',
      'torch-built',
      'torch-ready',
      'provided',
    ]);
    expect(stage.names().sort()).toEqual(['constraints', 'lock', 'store']);
    expect(stage.torch()).toEqual({
      path: join(stage.store, 'packages/torch/__init__.py'),
      version: '2.5.1+cpu',
    });

    const before = stage.state();
    for (const more of [{}, stage.bare]) {
      const warm = await stage.run([], more);
      expect(warm).toMatchObject({ code: 0, tier: 'T1' });
      expect(warm.events.map(({ event }) => event)).toEqual(['torch-ready', 'provided']);
    }
    expect(stage.state()).toEqual(before);
  });

  test('the store wins over an older PyTorch that is installed', async () => {
    writeWheels(stage.wheelhouse, torchWheels('1.0.0'));
    install('torch==1.0.0+cpu', 'tinydep==1.0');
    expect(stage.torch().version).toBe('1.0.0+cpu');
    expect(await stage.run()).toMatchObject({ code: 0, tier: 'T2' });
    expect(stage.torch()).toEqual({
      path: join(stage.store, 'packages/torch/__init__.py'),
      version: '2.5.1+cpu',
    });
  });

  test('nothing is asked of the network: no connect, whatever the environment and the lock name', async () => {
    let calls = 0;
    const trap = createTrap((socket) => {
      calls++;
      socket.destroy();
    }).listen(0, '127.0.0.1');
    await once(trap, 'listening');
    const { port } = trap.address() as { port: number };
    const index = `http://127.0.0.1:${port}/simple`;
    writeFileSync(stage.lock, `--index-url ${index}\n${readFileSync(stage.lock, 'utf8')}`);
    const lures = { PIP_INDEX_URL: index, UV_INDEX_URL: index, http_proxy: `http://127.0.0.1:${port}` };
    const trace = join(stage.folder, 'trace');
    const traced = { around: ['strace', '-f', '-qq', '-e', 'trace=connect,sendto', '-o', trace] };
    for (const tier of ['T2', 'T1']) {
      expect(await stage.run([], { ...lures, TORCH_INDEX_URL: index }, traced)).toMatchObject({
        code: 0,
        tier,
      });
      expect(readFileSync(trace, 'utf8')).not.toMatch(/AF_INET/);
    }
    expect(calls).toBe(0);
    trap.close();
  });

  test('a warm start opens no socket of the network at all', async () => {
    await stage.run();
    const trace = join(stage.folder, 'trace');
    const traced = { around: ['strace', '-f', '-qq', '-e', 'trace=socket', '-o', trace] };
    expect(await stage.run([], {}, traced)).toMatchObject({ tier: 'T1' });
    expect(readFileSync(trace, 'utf8')).not.toMatch(/AF_INET/);
  });

  test('another lock gets another store; the two newest are kept, the others go', async () => {
    const seen: string[] = [];
    for (const version of ['2.5.1', '2.6.0', '2.7.0']) {
      stage.supply(torchWheels(version));
      expect(await stage.run()).toMatchObject({ code: 0, tier: 'T2' });
      expect(stage.torch().version).toBe(`${version}+cpu`);
      seen.push(...stage.stores().filter((name) => !seen.includes(name)));
    }
    expect(stage.stores().sort()).toEqual(seen.slice(1).sort());
    expect(readFileSync(pathFile(), 'utf8')).toContain(seen[2]);
  });

  test('without a lock nothing is provided, and a store is no longer seen', async () => {
    await stage.run();
    expect(await stage.run([], { TORCH_LOCK: 'off' })).toMatchObject({ code: 0, tier: 'none' });
    expect(existsSync(pathFile())).toBe(false);
  });

  test('every user can read the store, whatever the umask', async () => {
    expect(await stage.run([], {}, { around: ['sh', '-c', 'umask 077; exec "$@"', 'sh'] })).toMatchObject({
      code: 0,
    });
    const ask = 'import torch, torchvision, torchaudio; print(torch.__version__)';
    const said = execFileSync(
      'setpriv',
      ['--reuid', '12345', '--regid', '12345', '--clear-groups', workshop.python, '-c', ask],
      {
        cwd: '/',
        encoding: 'utf8',
      },
    );
    expect(said.trim()).toBe('2.5.1+cpu');
  });
});

describe('T0', () => {
  test('what is installed as locked is used, and imported once', async () => {
    install(...ALL);
    const first = await stage.run([], stage.bare);
    expect(first).toMatchObject({ code: 0, tier: 'T0' });
    const before = stage.state();
    const trace = join(stage.folder, 'trace');
    const traced = { around: ['strace', '-f', '-qq', '-e', 'trace=execve', '-o', trace] };
    expect(await stage.run([], stage.bare, traced)).toMatchObject({ code: 0, tier: 'T0' });
    // The one that asks for the facts is the test's own.
    expect(readFileSync(trace, 'utf8').match(/execve\("[^"]*venv\/bin\/python"/g)).toHaveLength(1);
    expect(stage.state()).toEqual(before);
    expect(stage.stores()).toEqual([]);
  });

  test('installed later, it takes the place of the store', async () => {
    await stage.run();
    const packages = join(stage.store, 'packages');
    const path = pathFile();
    renameSync(path, `${path}.off`);
    install(...ALL);
    renameSync(`${path}.off`, path);
    expect(stage.torch().path).toContain(packages);
    expect(await stage.run()).toMatchObject({ code: 0, tier: 'T0' });
    expect(existsSync(path)).toBe(false);
    expect(stage.torch().path).toContain(workshop.sitePackages);
  });

  test('installed but broken, it gives way to the store', async () => {
    install(...ALL);
    writeFileSync(
      join(workshop.sitePackages, 'torchvision', '__init__.py'),
      'raise ImportError("nms does not exist")',
    );
    const { code, tier, events } = await stage.run();
    expect({ code, tier }).toEqual({ code: 0, tier: 'T2' });
    expect(events.find(({ event }) => event === 'torch-broken')?.message).toMatch(/nms does not exist/);
  });

  test('one version that differs is not T0', async () => {
    install('tinydep==1.0', 'torch==2.5.1+cpu', 'torchvision==0.2.5.1+cpu');
    expect(await stage.run([], stage.bare)).toMatchObject({ code: 78, refused: { code: 'torch-missing' } });
  });
});

describe('T3', () => {
  /** A simple index of the wheelhouse. */
  async function serve(): Promise<{ url: string; asked: string[]; close(): void }> {
    const asked: string[] = [];
    const server = createServer(({ url = '' }, response) => {
      asked.push(url);
      const [, name = ''] = /^\/simple\/([^/]+)\/?$/.exec(url) ?? [];
      if (url.endsWith('.whl')) {
        response.end(readFileSync(join(stage.wheelhouse, decodeURIComponent(url.split('/').at(-1) ?? ''))));
        return;
      }
      const files = readdirSync(stage.wheelhouse).filter((file) => file.startsWith(`${name}-`));
      response.setHeader('content-type', 'text/html');
      response.end(
        files.map((file) => `<a href="/files/${encodeURIComponent(file)}">${file}</a>`).join('\n'),
      );
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    return { url: `http://127.0.0.1:${port}/simple`, asked, close: () => server.close() };
  }

  test('fetches from the index of the lock where that is allowed', async () => {
    const index = await serve();
    writeFileSync(stage.lock, `--index-url ${index.url}\n${readFileSync(stage.lock, 'utf8')}`);
    expect(await stage.run([], { ...stage.bare, TORCH_NETWORK: 'off' })).toMatchObject({ code: 78 });
    expect(index.asked).toEqual([]);
    const { code, tier } = await stage.run([], { ...stage.bare, TORCH_NETWORK: 'on' });
    index.close();
    expect({ code, tier }).toEqual({ code: 0, tier: 'T3' });
    expect(stage.torch().version).toBe('2.5.1+cpu');
    expect(await stage.run([], stage.bare)).toMatchObject({ code: 0, tier: 'T1' });
  });

  test('a wheel that the index changed is refused by its hash', async () => {
    writeWheels(stage.wheelhouse, [{ name: 'tinydep', version: '1.0', init: 'print("another")' }]);
    const index = await serve();
    const more = { ...stage.bare, TORCH_NETWORK: 'on', TORCH_INDEX_URL: index.url };
    const { code, refused } = await stage.run([], more);
    index.close();
    expect({ code, refused }).toMatchObject({ code: 78, refused: { code: 'wheel-hash' } });
    expect(refused?.message).toContain('tinydep==1.0');
  });

  test('a wheelhouse that lacks a wheel gives way to the index', async () => {
    const index = await serve();
    const empty = join(stage.folder, 'empty');
    writeWheels(empty, []);
    const more = { TORCH_WHEELHOUSE: empty, TORCH_NETWORK: 'on', TORCH_INDEX_URL: index.url };
    expect(await stage.run([], more)).toMatchObject({ code: 0, tier: 'T3' });
    index.close();
  });

  test('an index that does not answer is not waited for', async () => {
    const silent = createTrap(() => undefined).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = silent.address() as { port: number };
    const closed = await serve();
    closed.close();
    for (const url of [`http://127.0.0.1:${port}/simple`, closed.url]) {
      const more = { ...stage.bare, TORCH_NETWORK: 'on', TORCH_INDEX_URL: url };
      const start = performance.now();
      expect(await stage.run([], more)).toMatchObject({ code: 74, refused: { code: 'index-unreachable' } });
      expect(performance.now() - start).toBeLessThan(8000);
    }
    silent.close();
  });
});

describe('what custom nodes install', () => {
  test('pip may not replace what the lock pins', async () => {
    const { env } = await stage.run([], { PIP_CONSTRAINT: '/operator.txt' });
    const path = String(env?.UV_CONSTRAINT);
    expect(env?.PIP_CONSTRAINT).toBe(`/operator.txt ${path}`);
    expect(readFileSync(path, 'utf8').split('\n').sort()).toEqual(['', ...ALL.map((one) => one)].sort());
    writeWheels(stage.wheelhouse, torchWheels('9.9.9'));
    const args = ['-m', 'pip', 'install', '--no-index', '-f', stage.wheelhouse, '--dry-run'];
    const pip = (more: string[], constraint: string) =>
      execFileSync(workshop.python, [...args, ...more], {
        env: { PIP_CONSTRAINT: constraint, PIP_CONFIG_FILE: '/dev/null' },
        encoding: 'utf8',
        stdio: 'pipe',
      });
    expect(pip(['-U', 'torch'], '')).toMatch(/Would install torch-9\.9\.9/);
    expect(pip(['-U', 'torch'], path)).toMatch(/already satisfied: torch/);
    expect(() => pip(['torch==9.9.9'], path)).toThrow();
    rmSync(path);
  });
});
