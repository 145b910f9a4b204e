import { execFileSync } from 'node:child_process';
import { chmodSync, linkSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readRegular } from '../../../src/store/read-file.ts';
import { identityOf, scratch } from './scratch.ts';

describe('readRegular', () => {
  it('gives bytes, mode, owner and the number of names', () => {
    const path = join(scratch(), 'file');
    writeFileSync(path, 'content');
    chmodSync(path, 0o640);
    linkSync(path, `${path}.second`);
    const { uid, gid } = { uid: process.getuid?.(), gid: process.getgid?.() };
    expect(readRegular(path)).toMatchObject({
      kind: 'file',
      bytes: Buffer.from('content'),
      mode: 0o640,
      owner: { uid, gid },
      links: 2,
    });
  });

  it('gives another identity after a rewrite with the same bytes', () => {
    const path = join(scratch(), 'file');
    writeFileSync(path, 'same');
    const before = identityOf(path);
    expect(identityOf(path)).toEqual(before);
    writeFileSync(`${path}.new`, 'same');
    expect(identityOf(`${path}.new`)).not.toEqual(before);
  });

  it('calls nothing there missing, but nothing below a file unreadable', () => {
    const folder = scratch();
    writeFileSync(join(folder, 'file'), '');
    expect(readRegular(join(folder, 'absent', 'deep'))).toEqual({ kind: 'missing' });
    expect(readRegular(join(folder, 'file', 'below'))).toEqual({ kind: 'unreadable', code: 'ENOTDIR' });
  });

  it('follows no link and opens nothing that is no file', { timeout: 5_000 }, () => {
    const folder = scratch();
    writeFileSync(join(folder, 'file'), '');
    symlinkSync('file', join(folder, 'link'));
    mkdirSync(join(folder, 'folder'));
    execFileSync('mkfifo', [join(folder, 'fifo')]);
    expect(readRegular(join(folder, 'link'))).toEqual({ kind: 'not-a-file', what: 'a symbolic link' });
    expect(readRegular(join(folder, 'folder'))).toEqual({ kind: 'not-a-file', what: 'a folder' });
    expect(readRegular(join(folder, 'fifo'))).toEqual({ kind: 'not-a-file', what: 'a FIFO' });
    expect(readRegular('/dev/null')).toEqual({ kind: 'not-a-file', what: 'a device' });
  });

  it('refuses a file that is larger than asked for', () => {
    const path = join(scratch(), 'file');
    writeFileSync(path, '12345');
    expect(readRegular(path, { maxBytes: 4 })).toEqual({ kind: 'unreadable', code: 'EFBIG' });
    expect(readRegular(path, { maxBytes: 5 }).kind).toBe('file');
  });
});
