import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  cpSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  AnonymousProber,
  cheapHash,
  Deployment,
  freshPassword,
  UNPROVEN,
} from '../process/entrypoint-harness.ts';
import { requires } from './capability.ts';

// ComfyUI runs as another user than the entrypoint: only root can arrange that.
const USER = 12_345;
const ids = { COMFYUI_UID: String(USER), COMFYUI_GID: String(USER + 1) };
const skipped = requires('root', process.getuid?.() === 0);

let deployment: Deployment;
let prober: AnonymousProber;
beforeEach(async () => {
  deployment = await Deployment.make();
  chmodSync(deployment.folder, 0o755);
  chownSync(deployment.node, USER, USER + 1);
  writeFileSync(deployment.password, `${cheapHash(freshPassword())}\nada`);
  prober = new AnonymousProber(deployment.port);
});
afterEach(() => {
  prober.stop();
  deployment.remove();
});

const ownerAndMode = (path: string) => {
  const { uid, gid, mode } = statSync(path);
  return { uid, gid, mode: mode & 0o777 };
};

describe.skipIf(skipped)('ComfyUI as another user', () => {
  test('gets its files for itself alone, and its process', async () => {
    const said = join(deployment.node, 'ids');
    const { code } = await deployment.end(
      ['run', '--', 'sh', '-c', `id -u > '${said}'; id -G >> '${said}'`],
      ids,
    );
    expect(code).toBe(UNPROVEN);
    expect(readFileSync(said, 'utf8')).toBe(`${USER}\n${USER + 1}\n`);
    const own = { uid: USER, gid: USER + 1, mode: 0o600 };
    expect(ownerAndMode(deployment.password)).toEqual(own);
    expect(ownerAndMode(deployment.key)).toEqual(own);
  });

  test('a missing login folder is made for it', async () => {
    rmSync(deployment.login, { recursive: true });
    const running = deployment.start(['run'], { ...ids, COMFYUI_PASSWORD: freshPassword() });
    await running.said(/^ready/m);
    expect(ownerAndMode(deployment.login)).toEqual({ uid: USER, gid: USER + 1, mode: 0o700 });
    expect(await running.stop()).toBe(0);
  });

  test('O3 it cannot reach PASSWORD: 77 before the start', async () => {
    chmodSync(deployment.login, 0o700);
    const { code, output } = await deployment.end(['run'], ids);
    expect(output).toMatch(/user \(12345\) cannot read .*PASSWORD/);
    expect(code).toBe(77);
    expect(prober.oks).toBe(0);
  });

  test('O3 PASSWORD turns unreadable after the check: killed, 76', async () => {
    const line = `chmod 000 '${deployment.password}'; ${deployment.serve()}`;
    const { code } = await deployment.end(['run', '--', 'sh', '-c', line], ids);
    expect(code).toBe(76);
    expect(prober.openMs).toBeLessThanOrEqual(300);
  });

  test('O3 the entrypoint itself cannot read PASSWORD: 77 before the start', () => {
    mkdirSync(deployment.run, { mode: 0o777 });
    chmodSync(deployment.run, 0o777);
    chmodSync(deployment.password, 0o600);
    const { status, stdout } = spawnSync(process.execPath, deployment.argv('run'), {
      env: deployment.env(),
      uid: USER,
      gid: USER,
      encoding: 'utf8',
    });
    expect(stdout).toMatch(/PASSWORD cannot be read \(EACCES\)/);
    expect(status).toBe(77);
  });

  const inNamespace = (script: string) =>
    spawnSync('unshare', ['-m', 'sh', '-c', script], { encoding: 'utf8' });
  const noMounts = skipped || requires('mount namespaces', inNamespace('true').status === 0);

  test.skipIf(noMounts)('a PASSWORD file that is a mount of its own is overwritten in place', () => {
    const hash = cheapHash(freshPassword());
    const source = join(deployment.folder, 'mounted');
    writeFileSync(source, `${cheapHash(freshPassword())}\nada\nand a long rest that has to go`);
    const inode = statSync(source).ino;
    const argv = [process.execPath, ...deployment.argv('run', '--', 'true')].join(' ');
    const env = Object.entries(deployment.env({ ...ids, COMFYUI_BEARER_TOKEN: hash }));
    const words = env.map(([name, value]) => `${name}='${value}'`).join(' ');
    const { status } = inNamespace(
      `mount --bind '${source}' '${deployment.password}' && ${words} exec ${argv}`,
    );
    expect(status).toBe(UNPROVEN);
    expect(readFileSync(source, 'utf8')).toBe(`${hash}\nada`);
    expect({ ...ownerAndMode(source), inode: statSync(source).ino }).toEqual({
      ...{ uid: USER, gid: USER + 1, mode: 0o600 },
      inode,
    });
  });

  test('COMFYUI_UID without root is refused, unless it is the same user', async () => {
    chownSync(deployment.folder, USER, USER + 1);
    for (const [uid, expected] of Object.entries({ '1': 78, [USER]: UNPROVEN })) {
      for (const path of [deployment.password, deployment.login]) chownSync(path, USER, USER + 1);
      const { status } = spawnSync(process.execPath, deployment.argv('run', '--', 'true'), {
        env: deployment.env({ COMFYUI_UID: uid }),
        uid: USER,
        gid: USER + 1,
      });
      expect(status).toBe(expected);
    }
  });

  test('a secret file that its user may not read ends in 77', () => {
    chownSync(deployment.folder, USER, USER + 1);
    const secret = join(deployment.folder, 'secret');
    writeFileSync(secret, freshPassword(), { mode: 0o600 });
    const { status, stdout } = spawnSync(process.execPath, deployment.argv('run', '--', 'true'), {
      env: deployment.env({ COMFYUI_PASSWORD_FILE: secret }),
      uid: USER,
      gid: USER + 1,
      encoding: 'utf8',
    });
    expect(stdout).toMatch(/COMFYUI_PASSWORD_FILE names .* which cannot be read \(EACCES\)/);
    expect(status).toBe(77);
  });
});

const checkout = process.env.COMFYUI_LOGIN_DIR;
const host = resolve(import.meta.dirname, '..', 'contract', 'host.py');

/** A line that runs the system's Python with the packages of COMFYUI_LOGIN_PYTHON: any user can run it. */
function sharedPython(): string {
  const ask = 'import sysconfig; print(sysconfig.get_path("purelib"))';
  const site = spawnSync(process.env.COMFYUI_LOGIN_PYTHON ?? 'python3', ['-c', ask], { encoding: 'utf8' });
  return `PYTHONDONTWRITEBYTECODE=1 PYTHONPATH='${site.stdout.trim()}' exec /usr/bin/python3 "$@"`;
}

function canRun(line: string): boolean {
  const args = ['-c', line, 'sh', '-c', 'import aiohttp_session, bcrypt, Crypto'];
  return spawnSync('sh', args, { uid: USER, gid: USER }).status === 0;
}

const noPython = () => requires('a Python with the node’s packages for any user', canRun(sharedPython()));

describe.skipIf(skipped || checkout === undefined || noPython())(
  'the real login node as another user',
  () => {
    beforeEach(() => {
      rmSync(deployment.node, { recursive: true });
      cpSync(checkout ?? '', deployment.node, { recursive: true, filter: (path) => !path.endsWith('/.git') });
      rmSync(deployment.key, { force: true });
      chownSync(deployment.node, USER, USER + 1);
      deployment.setPython(sharedPython());
    });

    const serve = () =>
      `exec '${deployment.python}' -u '${host}' '${deployment.comfyui}' --port ${deployment.port}`;

    test('is proven', async () => {
      const running = deployment.start(['run', '--', 'sh', '-c', serve()], ids);
      await running.said(/^ready/m);
      expect(await running.stop()).toBe(0);
      expect(prober.oks).toBe(0);
    });

    test('O3 PASSWORD turns unreadable after the check: killed, 76', async () => {
      const line = `chmod 000 '${deployment.password}'; ${serve()}`;
      const { code } = await deployment.end(['run', '--', 'sh', '-c', line], ids);
      console.log(`O3: ${prober.oks} answers of 200, ${prober.openMs} ms open`);
      expect(code).toBe(76);
      expect(prober.openMs).toBeLessThanOrEqual(300);
    });

    test('O4 the node’s folder is not writable and has no key: 78 before the start', async () => {
      chownSync(deployment.node, 0, 0);
      const { code, output } = await deployment.end(['run', '--', 'sh', '-c', serve()], ids);
      expect(output).toMatch(/cannot make \.secret-key\.txt/);
      expect(code).toBe(78);
      expect(prober.oks).toBe(0);
    });

    test('a file of the node that cannot be read: 78 before the start', async () => {
      chmodSync(join(deployment.node, 'load_image_incognito.py'), 0o600);
      const { code, output } = await deployment.end(['run', '--', 'sh', '-c', serve()], ids);
      expect(output).toMatch(/load_image_incognito\.py cannot be loaded \(PermissionError/);
      expect(code).toBe(78);
    });

    test('O4 the key removed and the folder closed after the check: killed, 76', async () => {
      const line = `rm '${deployment.key}'; chmod 555 '${deployment.node}'; ${serve()}`;
      const { code } = await deployment.end(['run', '--', 'sh', '-c', line], ids);
      console.log(`O4: ${prober.oks} answers of 200, ${prober.openMs} ms open`);
      expect(code).toBe(76);
      expect(prober.openMs).toBeLessThanOrEqual(300);
    });
  },
);
