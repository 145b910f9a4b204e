import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { requires } from '../system/capability.ts';
import { bundle } from '../unit/store/bundle.ts';

const isRoot = process.getuid?.() === 0;
const NOBODY = 65534;
const FOLDERS = ['1', '2', '3', '4', '5'];

/** Five files of another user in five folders, a plan to change them all, and the harness as a bundle. */
function planted() {
  const work = mkdtempSync(join(tmpdir(), 'comfyui-auth-refusals-'));
  onTestFinished(() => rmSync(work, { recursive: true, force: true }));
  chmodSync(work, 0o755);
  const tree = join(work, 'tree');
  for (const folder of [tree, ...FOLDERS.map((name) => join(tree, name))]) {
    mkdirSync(folder);
    chownSync(folder, NOBODY, NOBODY);
  }
  const files = FOLDERS.map((name) => join(tree, name, 'file'));
  for (const file of files) {
    writeFileSync(file, 'old');
    chownSync(file, NOBODY, NOBODY);
  }
  const plan = join(work, 'plan.json');
  writeFileSync(plan, JSON.stringify(FOLDERS.map((name) => ({ path: `${name}/file`, content: 'new' }))));
  return {
    tree,
    files,
    third: join(tree, '3'),
    argv: [bundle('../../faults/harness.ts', work), 'commit', tree, plan],
  };
}

type Planted = ReturnType<typeof planted>;

/** Runs the harness as the files' user. */
const asNobody = ({ argv }: Planted) =>
  spawnSync(process.execPath, argv, { uid: NOBODY, gid: NOBODY, encoding: 'utf8' });

/** Runs it as root in a mount namespace of its own, after some mounts that go with it. */
const withMounts = ({ argv }: Planted, mounts: string) =>
  spawnSync('unshare', ['-m', 'sh', '-ec', `${mounts}\nexec "$@"`, 'sh', process.execPath, ...argv], {
    encoding: 'utf8',
  });

const canMount = isRoot && spawnSync('unshare', ['-m', 'mount', '--bind', '/tmp', '/tmp']).status === 0;

/** Nothing may have changed: content, inode, time of the last change of content; and nothing stands beside. */
function expectUntouched({ tree, files }: Planted, run: () => { status: number | null; stderr: string }) {
  const before = files.map((file) => statSync(file, { bigint: true }));
  const { status, stderr } = run();
  expect(status, stderr).toBe(5);
  files.forEach((file, index) => {
    expect(readFileSync(file, 'utf8')).toBe('old');
    const { ino, mtimeNs, nlink } = statSync(file, { bigint: true });
    expect({ ino, mtimeNs, nlink }).toEqual({
      ino: before[index]?.ino,
      mtimeNs: before[index]?.mtimeNs,
      nlink: 1n,
    });
  });
  const names = execFileSync('find', [
    tree,
    '-name',
    '.*.new',
    '-o',
    '-name',
    '.*.old',
    '-o',
    '-name',
    'journal*',
  ]);
  expect(names.toString()).toBe('');
  return stderr;
}

describe.skipIf(requires('root', isRoot))(
  'a commit of five files of which the third cannot be changed',
  () => {
    it('changes all five where nothing stands against it', () => {
      const place = planted();
      expect(asNobody(place).status).toBe(0);
      for (const file of place.files) {
        expect(readFileSync(file, 'utf8')).toBe('new');
        expect(statSync(file).uid).toBe(NOBODY);
      }
    });

    it('refuses a read-only folder', () => {
      const place = planted();
      chmodSync(place.third, 0o555);
      expect(expectUntouched(place, () => asNobody(place))).toContain('EACCES');
    });

    it("refuses another user's file, whose owner could not be kept", () => {
      const place = planted();
      chownSync(join(place.third, 'file'), 0, 0);
      chmodSync(join(place.third, 'file'), 0o666);
      expect(expectUntouched(place, () => asNobody(place))).toContain('owner 0:0');
    });

    it('refuses an immutable file', ({ skip }) => {
      const place = planted();
      const file = join(place.third, 'file');
      skip(spawnSync('chattr', ['+i', file]).status !== 0, 'the file system has no such attribute');
      onTestFinished(() => void execFileSync('chattr', ['-i', file]));
      const [command = '', ...args] = [process.execPath, ...place.argv];
      const stderr = expectUntouched(place, () => spawnSync(command, args, { encoding: 'utf8' }));
      expect(stderr).toContain('an attribute protects it');
    });

    it.skipIf(requires('mount namespaces', canMount))(
      'refuses a read-only mount, and a mount of a single file',
      () => {
        const readOnly = planted();
        const { third } = readOnly;
        const mounts = `mount --bind ${third} ${third}; mount -o remount,ro,bind ${third}`;
        expect(expectUntouched(readOnly, () => withMounts(readOnly, mounts))).toContain('EROFS');
        const single = planted();
        const file = join(single.third, 'file');
        const stderr = expectUntouched(single, () => withMounts(single, `mount --bind ${file} ${file}`));
        expect(stderr).toContain('mount-point');
      },
    );
  },
);
