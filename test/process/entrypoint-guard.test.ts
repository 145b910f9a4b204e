import { spawnSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Break, BreakIn } from './breakpoints.ts';
import { AnonymousProber, Deployment, UNPROVEN } from './entrypoint-harness.ts';
import { GuardStage, layGuard } from './guard-stage.ts';

let stage: GuardStage;
beforeEach(async () => {
  stage = await GuardStage.make();
});
afterEach(() => stage.remove());

const IMAGE = resolve(import.meta.dirname, '..', '..', 'image', 'guard');
const RESTORED = /^guard-restored: /m;
const ASIDE = /^comfyui-auth-guard\.[0-9a-f]{16}\.disabled$/;

/** Inode and time of the last change of all that belongs to the guard. */
const traces = () =>
  ['', ...stage.paths()].map((path) => {
    const { ino, mtimeNs, ctimeNs } = lstatSync(join(stage.guard, path), { bigint: true });
    return { path, ino, mtimeNs, ctimeNs };
  });

describe('ComfyUI loads the guard of the image, byte for byte', () => {
  test('absent: put there, served with it, and not touched again', async () => {
    const first = stage.deployment.start(['run'], stage.withCopy());
    await first.said(/^ready/m);
    expect(first.output).toMatch(/^guard-restored: \S+ is not there: \S+ is a new copy of /m);
    expect((await stage.deployment.ask('/healthz', { headers: {} })).status).toBe(200);
    expect(await first.stop()).toBe(0);
    stage.expectWhole();
    const before = traces();
    const second = await stage.start();
    expect([second.code, RESTORED.test(second.output)]).toEqual([UNPROVEN, false]);
    expect(traces()).toEqual(before);
    expect(stage.names()).toEqual(['comfyui-auth-guard']);
  });

  test.each<[string, () => void]>([
    ['a byte changed', () => writeFileSync(join(stage.guard, 'install.py'), 'def install(version): …\n')],
    ['a byte more', () => appendFileSync(join(stage.guard, '__init__.py'), ' ')],
    ['a file missing', () => rmSync(join(stage.guard, 'install.py'))],
    ['a module more', () => writeFileSync(join(stage.guard, 'more', 'aiohttp.py'), '')],
    ['an extension module more', () => writeFileSync(join(stage.guard, 'install.so'), '')],
    ['a package in the place of a module', () => mkdirSync(join(stage.guard, 'install'))],
    [
      'a link in the place of a file',
      () => {
        renameSync(join(stage.guard, 'install.py'), join(stage.deployment.folder, 'install.py'));
        symlinkSync(join(stage.deployment.folder, 'install.py'), join(stage.guard, 'install.py'));
      },
    ],
    [
      'a link in the place of all',
      () => {
        rmSync(stage.guard, { recursive: true });
        symlinkSync(stage.copy, stage.guard);
      },
    ],
    [
      'a FIFO',
      () => {
        rmSync(join(stage.guard, 'install.py'));
        spawnSync('mkfifo', [join(stage.guard, 'install.py')]);
      },
    ],
    [
      'a file in the place of all',
      () => {
        rmSync(stage.guard, { recursive: true });
        writeFileSync(stage.guard, '');
      },
    ],
  ])('%s: set aside, and restored', async (_name, spoil) => {
    layGuard(stage.guard);
    spoil();
    const { code, output } = await stage.start();
    expect([code, RESTORED.test(output)]).toEqual([UNPROVEN, true]);
    stage.expectWhole();
    expect(stage.names()).toEqual(['comfyui-auth-guard', expect.stringMatching(ASIDE)]);
  });

  test('as the image has it: the first start restores nothing, and what it would restore is the same', async () => {
    cpSync(IMAGE, stage.guard, { recursive: true, filter: (path) => !path.includes('__pycache__') });
    const image = { GUARD_COPY: IMAGE };
    expect(RESTORED.test((await stage.start(image)).output)).toBe(false);
    const before = stage.paths();
    rmSync(stage.guard, { recursive: true });
    expect(RESTORED.test((await stage.start(image)).output)).toBe(true);
    expect(stage.paths()).toEqual(before);
    expect(before).toContain('install.py');
  });

  test('bytecode beside it is no difference, and removed: it could be another’s', async () => {
    layGuard(stage.guard);
    for (const folder of ['.', 'more']) {
      mkdirSync(join(stage.guard, folder, '__pycache__'));
      writeFileSync(join(stage.guard, folder, '__pycache__', 'install.cpython-311.pyc'), '');
      writeFileSync(join(stage.guard, folder, 'install.pyc'), '');
    }
    const { code, output } = await stage.start();
    expect([code, RESTORED.test(output), stage.names()]).toEqual([UNPROVEN, false, ['comfyui-auth-guard']]);
    stage.expectWhole();
  });

  test.each<[string, string]>([
    ['renamed', 'comfyui-auth-guard.disabled'],
    ['moved by ComfyUI-Manager', '.disabled/comfyui-auth-guard@nightly'],
  ])('disabled, %s: restored', async (_name, to) => {
    mkdirSync(dirname(join(stage.nodes, to)), { recursive: true });
    layGuard(join(stage.nodes, to));
    expect((await stage.start()).output).toMatch(RESTORED);
    stage.expectWhole();
    expect(existsSync(join(stage.nodes, to, '__init__.py'))).toBe(true);
  });

  test('gone while ComfyUI runs: back before the next life, and never open', async () => {
    const running = stage.deployment.start(['run'], stage.withCopy({ RESTART_BACKOFF: '10ms' }));
    await running.said(/^ready/m);
    // The login node alone lets this one through.
    const prober = new AnonymousProber(stage.deployment.port, '/object_info/x.js');
    renameSync(stage.guard, `${stage.guard}.disabled`);
    process.kill(stage.deployment.childPid, 'SIGKILL');
    await running.said(/^ready: [\s\S]*^guard-restored: [\s\S]*^ready: /m);
    prober.stop();
    expect(prober.oks).toBe(0);
    expect(await running.stop()).toBe(0);
  });

  test('below --base-directory, beside the login node there', async () => {
    const base = join(stage.deployment.folder, 'base');
    mkdirSync(join(base, 'custom_nodes'), { recursive: true });
    renameSync(stage.deployment.node, join(base, 'custom_nodes', 'ComfyUI-Login'));
    const { code } = await stage.start(stage.withCopy(), '--base-directory', base);
    expect([code, stage.names(), stage.names(join(base, 'custom_nodes'))]).toEqual([
      UNPROVEN,
      [],
      ['comfyui-auth-guard'],
    ]);
  });

  test('in a folder that another one goes before: left there, or mended there', async () => {
    const first = join(stage.deployment.folder, 'first');
    mkdirSync(first);
    const config = join(stage.deployment.folder, 'more.yaml');
    writeFileSync(
      config,
      `a: { is_default: true, base_path: ${stage.deployment.folder}, custom_nodes: first }\n`,
    );
    const args = ['--extra-model-paths-config', config];
    layGuard(stage.guard);
    const { output } = await stage.start(stage.withCopy(), ...args);
    expect([RESTORED.test(output), stage.names(first)]).toEqual([false, []]);
    appendFileSync(join(stage.guard, 'install.py'), '#');
    expect((await stage.start(stage.withCopy(), ...args)).output).toMatch(RESTORED);
    stage.expectWhole();
    expect(stage.names(first)).toEqual([]);
    rmSync(stage.guard, { recursive: true });
    await stage.start(stage.withCopy(), ...args);
    expect(stage.names(first)).toEqual(['comfyui-auth-guard']);
  });

  test('for several containers that share a volume, once', async () => {
    const others = await Promise.all([Deployment.make(), Deployment.make()]);
    for (const other of others) {
      rmSync(join(other.comfyui, 'custom_nodes'), { recursive: true });
      symlinkSync(stage.nodes, join(other.comfyui, 'custom_nodes'));
      writeFileSync(other.password, readFileSync(stage.deployment.password));
    }
    const all = [stage.deployment, ...others].map((one) => one.end(['run', '--', 'true'], stage.withCopy()));
    expect((await Promise.all(all)).map(({ code }) => code)).toEqual([UNPROVEN, UNPROVEN, UNPROVEN]);
    expect(stage.names()).toEqual(['comfyui-auth-guard']);
    stage.expectWhole();
    for (const other of others) other.remove();
  });

  test('a second one under another name is told of', async () => {
    layGuard(join(stage.nodes, 'guard-of-old'));
    const { code, output } = await stage.start();
    expect(code).toBe(UNPROVEN);
    expect(output).toMatch(/^guard-duplicate: warning: .*guard-of-old.*remove it/m);
  });

  test.runIf(process.getuid?.() === 0)('as ComfyUI’s own, where the container starts as root', async () => {
    chmodSync(stage.deployment.folder, 0o755);
    chownSync(stage.nodes, 65_534, 65_533);
    chmodSync(stage.copy, 0o700);
    const user = stage.withCopy({ COMFYUI_UID: '65534', COMFYUI_GID: '65533' });
    expect((await stage.start(user)).output).toMatch(RESTORED);
    for (const path of ['', ...stage.paths()]) {
      expect(statSync(join(stage.guard, path))).toMatchObject({ uid: 65_534, gid: 65_533 });
    }
    chownSync(join(stage.guard, 'install.py'), 0, 0);
    chmodSync(join(stage.guard, 'install.py'), 0o600);
    const { output } = await stage.start(user);
    expect(output).toMatch(/^guard-restored: install\.py cannot be read \(EACCES\)/m);
  });
});

describe('a restoration of the guard that is broken off', () => {
  const broken = (into: BreakIn, point: Break) => stage.start(stage.withCopy(into.env(point)));

  test('by a kill at any step: nothing half made is loaded, and the next start goes on', async () => {
    const into = new BreakIn(stage.nodes, stage.deployment.folder);
    const from = '^mkdir \\.comfyui-auth-guard';
    expect((await broken(into, { from })).code).toBe(UNPROVEN);
    const steps = into.steps.findIndex((step) => step.startsWith('rename .comfyui-auth-guard')) + 1;
    expect(steps).toBeGreaterThan(10);
    for (let at = 1; at <= steps; at++) {
      rmSync(stage.guard, { recursive: true, force: true });
      const env = stage.deployment.env(stage.withCopy(into.env({ from, at })));
      const { signal } = spawnSync(process.execPath, stage.deployment.argv('run', '--', 'true'), { env });
      expect([at, signal]).toEqual([at, 'SIGKILL']);
      const left = stage.names().filter((name) => !name.endsWith('.new.disabled'));
      expect([at, left]).toEqual([at, []]);
      expect(stage.names().length).toBeLessThan(2);
    }
    expect((await stage.start()).code).toBe(UNPROVEN);
    expect(stage.names()).toEqual(['comfyui-auth-guard']);
    stage.expectWhole();
  });

  test.each<[string, Break, number, RegExp]>([
    ['a full disk', { match: '^write ', errno: 'ENOSPC' }, 74, /ENOSPC.*free some space on the volume/],
    [
      'a read-only one',
      { match: '^mkdir ', errno: 'EROFS' },
      74,
      /EROFS.*mount \S+ writable, or .*GUARD_COPY=off/,
    ],
    ['a missing permission', { match: '^mkdir ', errno: 'EACCES' }, 77, /EACCES.*chown/],
    ['a mount in its place', { match: '^rename comfyui-auth', errno: 'EBUSY' }, 74, /remove the mount on/],
  ])('by %s: refused, with a remedy, and nothing is left', async (_name, point, exit, said) => {
    layGuard(stage.guard);
    appendFileSync(join(stage.guard, 'install.py'), '#');
    const { code, output } = await broken(new BreakIn(stage.nodes, stage.deployment.folder), point);
    expect(output).toMatch(said);
    expect(output).toMatch(/\(guard-not-restored, exit \d+\)/);
    expect([code, stage.names(), stage.content('install.py').endsWith('#')]).toEqual([
      exit,
      ['comfyui-auth-guard'],
      true,
    ]);
  });
});
