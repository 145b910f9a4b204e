import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, linkSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { requireReplaceable } from '../../../src/store/change.ts';
import { requires } from '../../system/capability.ts';
import { bundle } from './bundle.ts';
import { failureOf, scratch } from './scratch.ts';

const isRoot = process.getuid?.() === 0;

/** What it says to a user who owns nothing: as root every folder can be written to. */
function saidToNobody(folder: string, path: string): string {
  const program = bundle('../../../src/store/change.ts', folder);
  chmodSync(program, 0o644);
  const script = `try { require(${JSON.stringify(program)}).requireReplaceable(${JSON.stringify(path)}) }
    catch (error) { process.stdout.write(error.exit + ' ' + error.message) }`;
  return execFileSync(process.execPath, ['-e', script], { uid: 65_534, gid: 65_534, encoding: 'utf8' });
}

describe('requireReplaceable', () => {
  it('gives the file that stands there, and nothing where one can be made; makes nothing', () => {
    const root = scratch();
    writeFileSync(join(root, 'file'), 'x', { mode: 0o400 });
    expect(requireReplaceable(join(root, 'file'))?.bytes.toString()).toBe('x');
    expect(requireReplaceable(join(root, 'new', 'deep', 'file'))).toBeUndefined();
    expect(readdirSync(root)).toEqual(['file']);
  });

  it('refuses what a transaction would refuse', () => {
    const root = scratch();
    writeFileSync(join(root, 'file'), '');
    linkSync(join(root, 'file'), join(root, 'second'));
    symlinkSync('file', join(root, 'link'));
    mkdirSync(join(root, 'folder'));
    expect(failureOf(() => requireReplaceable(join(root, 'second')))).toMatchObject({
      code: 'hard-link',
      exit: 2,
    });
    for (const name of ['link', 'folder'])
      expect(failureOf(() => requireReplaceable(join(root, name)))).toMatchObject({
        code: 'not-a-file',
        exit: 2,
      });
  });

  it.skipIf(!isRoot)('refuses a folder that cannot be written to, be it one that is to be made', () => {
    const root = scratch();
    writeFileSync(join(root, 'file'), '', { mode: 0o644 });
    chmodSync(root, 0o755);
    for (const path of ['file', 'new', 'deep/new'])
      expect(saidToNobody(root, join(root, path))).toBe(`5 ${root}: could not write into it (EACCES)`);
  });

  it.skipIf(!isRoot)('refuses a file that an attribute protects', (context) => {
    const path = join(scratch(), 'file');
    writeFileSync(path, '');
    const set = spawnSync('chattr', ['+i', path]).status === 0;
    context.skip(requires('a file system with attributes (chattr)', set));
    onTestFinished(() => void spawnSync('chattr', ['-i', path]));
    expect(failureOf(() => requireReplaceable(path))).toMatchObject({ code: 'write-failed', exit: 5 });
  });
});
