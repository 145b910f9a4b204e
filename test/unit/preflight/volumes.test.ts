import { chmodSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { diskFull, diskSpace } from '../../../entrypoint/preflight/disk.ts';
import { comfyUiFolders } from '../../../entrypoint/preflight/folders.ts';
import { loginWritable, volumesWritable } from '../../../entrypoint/preflight/volumes.ts';
import { type Laid, lay, look, world } from './world.ts';

/** Somebody who owns nothing here. */
const STRANGER = { uid: 54_321, gid: 54_321 };

/** Puts a mount into the kernel's list, above a read-write root. */
function mount(at: Laid, path: string, options: string): void {
  const point = path.replaceAll(' ', '\\040');
  const lines = [
    '22 1 8:1 / / rw,relatime - ext4 /dev/vda rw',
    `23 22 8:2 /x ${point} ${options} - ext4 /dev/vdb rw`,
  ];
  lay(join(at.root, 'proc/self/mountinfo'), `${lines.join('\n')}\n`);
}

describe('the folders that ComfyUI uses', () => {
  const folders = (...options: string[]) => {
    const at = world({ options });
    return Object.fromEntries(
      Object.entries(comfyUiFolders(at)).map(([name, path]) => [name, path.replace(at.comfyui, '.')]),
    );
  };

  test('its own', () => {
    expect(folders()).toEqual({
      models: './models',
      output: './output',
      input: './input',
      temp: './temp',
      user: './user',
    });
  });

  test('elsewhere by its options, the nearer before the wider', () => {
    expect(
      folders(
        '--base-directory',
        '/data',
        '--output-directory=/out',
        '--temp-dir',
        '/t',
        '--user-directory',
        '/u',
      ),
    ).toEqual({ models: '/data/models', output: '/out', input: '/data/input', temp: '/t/temp', user: '/u' });
  });
});

describe('volumes-writable', () => {
  test('what is as it should be', async () => {
    expect(await look(volumesWritable, world())).toMatchObject({ verdict: 'pass', severity: 'warning' });
  });

  test('a folder that is not there yet is judged by the one above it', async () => {
    const at = world({ owner: STRANGER });
    for (const name of ['output', 'input', 'temp', 'user'])
      rmSync(join(at.comfyui, name), { recursive: true });
    chmodSync(at.comfyui, 0o777);
    expect(await look(volumesWritable, at)).toMatchObject({ verdict: 'pass' });
    chmodSync(at.comfyui, 0o755);
    expect(await look(volumesWritable, at)).toMatchObject({ verdict: 'fail' });
  });

  test('a volume of another user: who, what, and the chown that mends it', async () => {
    const at = world({ owner: STRANGER });
    for (const name of ['input', 'temp', 'user']) chmodSync(join(at.comfyui, name), 0o777);
    const result = await look(volumesWritable, at);
    expect(result.verdict).toBe('fail');
    expect(result.message).toMatch(
      /^user 54321 cannot write \S+\/output \(\S+\/output belongs to \d+:\d+, mode 0755\)$/,
    );
    expect(result.remedy).toContain('chown -R 54321:54321');
  });

  test('a group that may write is enough, and a folder above that cannot be passed is not', async () => {
    const gid = process.getgid?.() ?? 0;
    const at = world({ owner: { uid: STRANGER.uid, gid } });
    for (const name of ['output', 'input', 'temp', 'user']) chmodSync(join(at.comfyui, name), 0o770);
    expect(await look(volumesWritable, at)).toMatchObject({ verdict: 'pass' });
    chmodSync(at.comfyui, 0o700);
    const result = await look(volumesWritable, at);
    expect(result.message).toContain(`${at.comfyui} belongs to`);
  });

  test('models that cannot be read', async () => {
    const at = world({ owner: STRANGER });
    for (const name of ['output', 'input', 'temp', 'user']) chmodSync(join(at.comfyui, name), 0o777);
    expect(await look(volumesWritable, at)).toMatchObject({ verdict: 'pass' });
    chmodSync(join(at.comfyui, 'models'), 0o750);
    expect((await look(volumesWritable, at)).message).toContain('cannot read');
  });

  test('a read-only mount, also behind a link and with a blank in its name', async () => {
    const at = world();
    const volume = join(at.folder, 'a volume');
    lay(join(volume, 'x'));
    rmSync(join(at.comfyui, 'output'), { recursive: true });
    symlinkSync(volume, join(at.comfyui, 'output'));
    mount(at, volume, 'rw,relatime');
    expect(await look(volumesWritable, at)).toMatchObject({ verdict: 'pass' });
    mount(at, volume, 'ro,relatime');
    const result = await look(volumesWritable, at);
    expect(result.message).toContain(`${volume} is mounted read-only`);
    expect(result.remedy).toContain(':ro');
  });

  test('of two mounts the nearer one counts, whichever is listed first', async () => {
    const at = world();
    const output = join(at.comfyui, 'output');
    const root = '22 1 8:1 / / rw,relatime - ext4 /dev/vda rw';
    const volume = `23 22 8:2 /x ${output} ro,relatime - ext4 /dev/vdb rw`;
    for (const lines of [
      [root, volume],
      [volume, root],
    ]) {
      lay(join(at.root, 'proc/self/mountinfo'), `${lines.join('\n')}\n`);
      expect((await look(volumesWritable, at)).message).toContain(`${output} is mounted read-only`);
    }
  });

  test('models may be mounted read-only', async () => {
    const at = world();
    mount(at, join(at.comfyui, 'models'), 'ro,relatime');
    expect(await look(volumesWritable, at)).toMatchObject({ verdict: 'pass' });
  });

  test('a file in the place of a folder', async () => {
    const at = world();
    rmSync(join(at.comfyui, 'output'), { recursive: true });
    lay(join(at.comfyui, 'output'));
    expect((await look(volumesWritable, at)).message).toContain('ENOTDIR');
  });
});

describe('login-writable', () => {
  test('a PASSWORD that is there is judged where it is written', async () => {
    const at = world();
    expect(await look(loginWritable, at)).toMatchObject({ verdict: 'pass', severity: 'error' });
    mount(at, at.comfyui, 'ro');
    lay(join(at.comfyui, 'login/PASSWORD'), 'x');
    expect(await look(loginWritable, at)).toMatchObject({ verdict: 'skip' });
  });

  test('a link that leads nowhere in the place of the folder: 74', async () => {
    const at = world();
    rmSync(join(at.comfyui, 'login'), { recursive: true });
    symlinkSync('nowhere', join(at.comfyui, 'login'));
    const result = await look(loginWritable, at);
    expect(result).toMatchObject({ verdict: 'fail', exit: 74 });
    expect(result.message).toContain('login is a link that leads nowhere');
  });

  test('none there, and a folder that is read-only: 74', async () => {
    const at = world();
    mount(at, join(at.comfyui, 'login'), 'ro');
    expect(await look(loginWritable, at)).toMatchObject({ verdict: 'fail', exit: 74 });
    const open = { ...at, settings: { ...at.settings, mode: 'open' as const } };
    expect(await look(loginWritable, open)).toMatchObject({ verdict: 'skip' });
  });

  // Nothing is forbidden to root.
  test.skipIf(process.getuid?.() === 0)('none there, and a folder that may not be written: 77', async () => {
    const at = world();
    chmodSync(join(at.comfyui, 'login'), 0o555);
    expect(await look(loginWritable, at)).toMatchObject({ verdict: 'fail', exit: 77 });
  });
});

describe('disk', () => {
  const MIB = 1024 ** 2;
  const GIB = 1024 ** 3;
  /** A disk with so much room, for all paths that hold a word. */
  const disk =
    (word: string, free: number, inodes = { files: 1e6, ffree: 1e5 }) =>
    async (path: string) => ({
      bsize: 4096,
      bavail: (path.includes(word) ? free : 100 * GIB) / 4096,
      ...(path.includes(word) ? inodes : { files: 0, ffree: 0 }),
    });

  test.each<[string, number, string, string]>([
    ['output', 2 * GIB, 'pass', 'pass'],
    ['output', 500 * MIB, 'pass', 'fail'],
    ['output', 10 * MIB, 'fail', 'fail'],
    ['user', 10 * MIB, 'pass', 'fail'],
    ['temp', 100 * MIB, 'pass', 'pass'],
    ['login', 10 * MIB, 'pass', 'pass'],
    ['login', 0, 'fail', 'fail'],
    ['shm', 64 * MIB, 'pass', 'pass'],
    ['shm', 8 * MIB, 'pass', 'fail'],
    ['run', 0, 'pass', 'fail'],
  ])('%s with %i bytes left: full %s, low %s', async (word, free, full, low) => {
    const at = world({ statfs: disk(`/${word}`, free) });
    const results = [await look(diskFull, at), await look(diskSpace, at)];
    expect(results).toMatchObject([
      { severity: 'error', verdict: full },
      { severity: 'warning', verdict: low },
    ]);
    if (full === 'fail') expect(results[0]).toMatchObject({ exit: 74 });
    for (const { verdict, message } of results.filter((one) => one.verdict === 'fail'))
      expect([verdict, message]).toEqual(['fail', expect.stringContaining(`/${word} has `)]);
  });

  test('inodes run out too; a file system that counts none has enough', async () => {
    const none = world({ statfs: disk('/output', 9 * GIB, { files: 1000, ffree: 0 }) });
    expect(await look(diskFull, none)).toMatchObject({ verdict: 'fail' });
    expect((await look(diskFull, none)).message).toContain('0 inodes left');
    const few = world({ statfs: disk('/output', 9 * GIB, { files: 1000, ffree: 50 }) });
    expect([(await look(diskFull, few)).verdict, (await look(diskSpace, few)).verdict]).toEqual([
      'pass',
      'fail',
    ]);
    const uncounted = world({ statfs: disk('/output', 9 * GIB, { files: 0, ffree: 0 }) });
    expect(await look(diskSpace, uncounted)).toMatchObject({ verdict: 'pass' });
  });

  test('the cache counts where there is one, and only warns', async () => {
    const at = world({ statfs: disk('/cache', 10 * MIB) });
    expect(await look(diskSpace, at)).toMatchObject({ verdict: 'pass' });
    const cacheDir = join(at.folder, 'cache');
    lay(join(cacheDir, 'x'));
    expect(await look(diskSpace, { ...at, cacheDir })).toMatchObject({ verdict: 'fail' });
    expect(await look(diskFull, { ...at, cacheDir })).toMatchObject({ verdict: 'pass' });
  });

  test('what is mounted read-only needs no room', async () => {
    const at = world({ statfs: disk('/output', 0) });
    mount(at, join(at.comfyui, 'output'), 'ro');
    expect(await look(diskFull, at)).toMatchObject({ verdict: 'pass' });
  });

  test('a file system that fails is unknown, not a pass', async () => {
    const at = world({
      statfs: () => Promise.reject(Object.assign(new Error('/secret'), { code: 'ESTALE' })),
    });
    const result = await look(diskFull, at);
    expect(result).toMatchObject({ verdict: 'unknown' });
    expect(result.message).toContain('ESTALE');
    expect(result.message).not.toContain('/secret');
  });
});
