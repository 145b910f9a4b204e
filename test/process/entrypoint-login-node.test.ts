import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Break, BreakIn } from './breakpoints.ts';
import { AnonymousProber, cheapHash, Deployment, freshPassword, UNPROVEN } from './entrypoint-harness.ts';

const FILES = ['__init__.py', 'password.py'] as const;

let deployment: Deployment;
let nodes: string;
let copy: string;
beforeEach(async () => {
  deployment = await Deployment.make();
  nodes = join(deployment.comfyui, 'custom_nodes');
  copy = join(deployment.folder, 'copy');
  writeFileSync(deployment.password, `${cheapHash(freshPassword())}\nada`);
  mkdirSync(copy);
  for (const name of FILES) writeFileSync(join(copy, name), readFileSync(join(deployment.node, name)));
});
afterEach(() => deployment.remove());

const withCopy = (more: Record<string, string> = {}) => ({ LOGIN_NODE_COPY: copy, ...more });
const names = () => readdirSync(nodes).sort();
const hide = () => rmSync(deployment.node, { recursive: true });

/** A start whose command ends at once: it comes so far where the login node is there. */
const start = (more: Record<string, string> = withCopy(), ...args: string[]) =>
  deployment.end(['run', '--', 'true', 'main.py', ...args], more);
const RESTORED = /^login-node-restored: /m;

describe('a login node that ComfyUI would not load is restored from the copy', () => {
  test.each<[string, () => void, string[]]>([
    ['hidden by a volume', hide, []],
    [
      'disabled',
      () => renameSync(deployment.node, `${deployment.node}.disabled`),
      ['ComfyUI-Login.disabled'],
    ],
    [
      'broken',
      () => rmSync(join(deployment.node, '__init__.py')),
      [expect.stringMatching(/^ComfyUI-Login\.[0-9a-f]{16}\.disabled$/)],
    ],
  ])('%s: it serves, proven, and is not restored again', async (_name, spoil, besides) => {
    spoil();
    const first = deployment.start(['run'], withCopy());
    await first.said(/^ready/m);
    expect(first.output).toMatch(RESTORED);
    expect(await first.stop()).toBe(0);
    expect(names()).toEqual(['ComfyUI-Login', ...besides]);
    expect(readdirSync(deployment.node).sort()).toEqual(['.secret-key.txt', ...FILES]);
    expect(statSync(deployment.key).mode & 0o777).toBe(0o600);
    const second = await start();
    expect([second.code, RESTORED.test(second.output)]).toEqual([UNPROVEN, false]);
  });

  test('where it goes while ComfyUI runs: back before the next life, and never open', async () => {
    const running = deployment.start(['run'], withCopy({ RESTART_BACKOFF: '10ms' }));
    await running.said(/^ready/m);
    const prober = new AnonymousProber(deployment.port);
    renameSync(deployment.node, `${deployment.node}.disabled`);
    process.kill(deployment.health().childPid ?? 0, 'SIGKILL');
    await running.said(/^ready: [\s\S]*^login-node-restored: [\s\S]*^ready: /m);
    prober.stop();
    expect(prober.oks).toBe(0);
    expect(await running.stop()).toBe(0);
  });

  test('below --base-directory', async () => {
    const base = join(deployment.folder, 'a base');
    mkdirSync(base);
    hide();
    const running = deployment.start(['run'], withCopy({ COMFYUI_ARGS: `--base-directory '${base}'` }));
    await running.said(/^ready/m);
    expect(await running.stop()).toBe(0);
    expect(readdirSync(join(base, 'custom_nodes'))).toEqual(['ComfyUI-Login']);
    expect(names()).toEqual([]);
  });

  test('in the folder that an extra_model_paths file puts first', async () => {
    const first = join(deployment.folder, 'first');
    mkdirSync(first);
    hide();
    const config = join(deployment.folder, 'more.yaml');
    writeFileSync(config, `a:\n  base_path: $HOME\n  is_default: true\n  custom_nodes: |\n    first\n`);
    const env = withCopy({ HOME: deployment.folder });
    const { code } = await start(env, '--extra-model-paths-config', config);
    expect([code, readdirSync(first), names()]).toEqual([UNPROVEN, ['ComfyUI-Login'], []]);
  });

  test('for several containers that share a volume, once', async () => {
    const others = await Promise.all([Deployment.make(), Deployment.make()]);
    hide();
    for (const other of others) {
      rmSync(join(other.comfyui, 'custom_nodes'), { recursive: true });
      symlinkSync(nodes, join(other.comfyui, 'custom_nodes'));
      writeFileSync(other.password, readFileSync(deployment.password));
    }
    const all = [deployment, ...others].map((one) => one.end(['run', '--', 'true'], withCopy()));
    expect((await Promise.all(all)).map(({ code }) => code)).toEqual([UNPROVEN, UNPROVEN, UNPROVEN]);
    expect(names()).toEqual(['ComfyUI-Login']);
    for (const other of others) other.remove();
  });

  test('but not against --disable-all-custom-nodes', async () => {
    hide();
    const { code, output } = await start(withCopy(), '--disable-all-custom-nodes');
    expect([code, names()]).toEqual([78, []]);
    expect(output).toMatch(/remove that option, or add --whitelist-custom-nodes ComfyUI-Login/);
    expect((await start(withCopy(), '--disable-all', '--white', 'x', 'ComfyUI-Login')).code).toBe(UNPROVEN);
  });

  test('and only from a folder that holds one', async () => {
    hide();
    rmSync(join(copy, 'password.py'));
    const { code, output } = await start();
    expect([code, names()]).toEqual([78, []]);
    expect(output).toMatch(/LOGIN_NODE_COPY: .* is no folder with ComfyUI-Login/);
  });

  test.runIf(process.getuid?.() === 0)('as its own user’s, where the container starts as root', async () => {
    hide();
    chmodSync(deployment.folder, 0o755);
    chownSync(nodes, 65_534, 65_533);
    await start(withCopy({ COMFYUI_UID: '65534', COMFYUI_GID: '65533' }));
    for (const path of [deployment.node, ...FILES.map((name) => join(deployment.node, name))]) {
      expect(statSync(path)).toMatchObject({ uid: 65_534, gid: 65_533 });
    }
  });
});

describe('a restoration that is broken off', () => {
  const broken = (into: BreakIn, point: Break) => start(withCopy(into.env(point)));

  test('by a kill at any step: ComfyUI would load nothing half made, and the next start goes on', async () => {
    const into = new BreakIn(nodes, deployment.folder);
    rmSync(join(deployment.node, '__init__.py'));
    expect((await broken(into, { from: '^mkdir' })).code).toBe(UNPROVEN);
    const steps = into.steps.findIndex((step) => step.startsWith('rename .ComfyUI-Login')) + 2;
    expect(steps).toBeGreaterThan(10);
    for (let at = 1; at <= steps; at++) {
      rmSync(join(deployment.node, '__init__.py'), { force: true });
      const env = deployment.env(withCopy(into.env({ from: '^mkdir', at })));
      const { signal } = spawnSync(process.execPath, deployment.argv('run', '--', 'true'), { env });
      expect([at, signal]).toEqual([at, 'SIGKILL']);
      // What the kill before this one left is gone.
      expect(names().filter((name) => name.endsWith('.new.disabled')).length).toBeLessThan(2);
      const loaded = names().filter((name) => !name.endsWith('.disabled'));
      const whole = loaded.filter((name) => FILES.every((file) => existsSync(join(nodes, name, file))));
      expect([at, whole]).toEqual([at, at > steps - 1 ? loaded : []]);
    }
    expect((await start()).code).toBe(UNPROVEN);
    const aside = names().filter((name) => /^ComfyUI-Login\.\w+\.disabled$/.test(name));
    expect(names()).toEqual(['ComfyUI-Login', ...aside]);
    expect(readdirSync(deployment.node).sort()).toEqual(['.secret-key.txt', ...FILES]);
  });

  test.each<[string, Break, number, RegExp]>([
    ['a full disk', { match: '^write ', errno: 'ENOSPC' }, 74, /ENOSPC.*free some space on the volume/],
    ['a read-only one', { match: '^mkdir ', errno: 'EROFS' }, 74, /EROFS.*mount \S+ writable/],
    ['a missing permission', { match: '^mkdir ', errno: 'EACCES' }, 77, /EACCES.*chown/],
    ['an owner that cannot be set', { match: '^fchmod ', errno: 'EPERM' }, 77, /EPERM.*chown/],
    ['a broken disk', { match: '^fsync ', errno: 'EIO' }, 74, /EIO.*look at/],
    ['a mount in its place', { match: '^rename ComfyUI-Login', errno: 'EBUSY' }, 74, /remove the mount on/],
    ['somebody who always takes it away', { match: '^open ', errno: 'ENOENT' }, 74, /ENOENT/],
  ])('by %s: refused, with a remedy, and nothing is left', async (_name, point, exit, said) => {
    rmSync(join(deployment.node, '__init__.py'));
    const { code, output } = await broken(new BreakIn(nodes, deployment.folder), point);
    expect(output).toMatch(said);
    expect([code, names()]).toEqual([exit, ['ComfyUI-Login']]);
    expect(readdirSync(deployment.node)).toEqual(['password.py']);
  });
});

describe('a login node that is not the image’s', () => {
  let pin: string;
  const withPin = (more: Record<string, string> = {}) => withCopy({ LOGIN_NODE_PIN: pin, ...more });
  beforeEach(() => {
    pin = join(deployment.folder, 'pin.json');
    const sum = (name: string) =>
      createHash('sha256')
        .update(readFileSync(join(copy, name)))
        .digest('hex');
    const files = Object.fromEntries(FILES.map((name) => [name, sum(name)]));
    writeFileSync(
      pin,
      JSON.stringify({ version: 1, repository: 'https://git.example/l', commit: 'c0ffee', files }),
    );
  });

  test('is refused by its digest, until it is allowed or removed', async () => {
    expect((await start(withPin())).code).toBe(UNPROVEN);
    writeFileSync(join(deployment.node, 'password.py'), '# check_login_status, as others have it\n');
    const { code, output } = await start(withPin());
    expect(code).toBe(78);
    expect(output).toMatch(/is not the login node of this image: password\.py differs/);
    const allow = /LOGIN_NODE_ALLOW=([0-9a-f]{64})/.exec(output)?.[1] ?? '';
    expect((await start(withPin({ LOGIN_NODE_ALLOW: allow }))).code).toBe(UNPROVEN);
    expect((await start(withPin({ LOGIN_NODE_ALLOW: 'any' }))).code).toBe(UNPROVEN);
    hide();
    const restored = await start(withPin());
    expect([restored.code, RESTORED.test(restored.output)]).toEqual([UNPROVEN, true]);
  });

  test('is refused while ComfyUI runs, too: before its next life', async () => {
    const running = deployment.start(['run'], withPin({ RESTART_BACKOFF: '10ms' }));
    await running.said(/^ready/m);
    writeFileSync(join(deployment.node, 'more.py'), '');
    process.kill(deployment.health().childPid ?? 0, 'SIGKILL');
    expect(await running.ended).toBe(78);
    expect(running.output).toMatch(/more\.py is added/);
  });

  test.each<[string, Record<string, string>]>([
    ['LOGIN_NODE_ALLOW', { LOGIN_NODE_ALLOW: 'c0ffee' }],
    ['LOGIN_NODE_COPY', { LOGIN_NODE_COPY: '/no/such/folder' }],
    ['LOGIN_NODE_PIN', { LOGIN_NODE_PIN: 'pin.json' }],
  ])('%s is judged', async (name, env) => {
    const { code, output } = await start(withPin(env));
    expect([code, output.includes(name)]).toEqual([78, true]);
  });

  test('a second one is told of', async () => {
    mkdirSync(join(nodes, 'another'));
    for (const file of FILES) writeFileSync(join(nodes, 'another', file), readFileSync(join(copy, file)));
    const { code, output } = await start(withPin());
    expect(code).toBe(UNPROVEN);
    expect(output).toMatch(/^login-node-duplicate: warning: .*another/m);
  });
});
