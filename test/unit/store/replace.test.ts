import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { replaceFile, replaceInPlace } from '../../../src/store/replace.ts';
import { failureOf, scratch } from './scratch.ts';

const isRoot = process.getuid?.() === 0;
const mode = (path: string) => statSync(path).mode & 0o7777;
const NEW = Buffer.from('new content');

/** Runs a call under another umask. */
function withUmask(umask: number, call: () => void): void {
  const before = process.umask(umask);
  try {
    call();
  } finally {
    process.umask(before);
  }
}

describe('replaceFile', () => {
  it.each([0o000, 0o077, 0o777])('makes a new file 0600 and keeps an old mode under umask %o', (umask) => {
    const folder = scratch();
    writeFileSync(join(folder, 'old'), 'old');
    chmodSync(join(folder, 'old'), 0o664);
    withUmask(umask, () => {
      replaceFile(join(folder, 'fresh'), NEW);
      replaceFile(join(folder, 'old'), NEW);
      replaceFile(join(folder, 'given'), NEW, { mode: 0o640 });
    });
    expect(mode(join(folder, 'fresh'))).toBe(0o600);
    expect(mode(join(folder, 'old'))).toBe(0o664);
    expect(mode(join(folder, 'given'))).toBe(0o640);
    expect(readFileSync(join(folder, 'old'))).toEqual(NEW);
    expect(readdirSync(folder).sort()).toEqual(['fresh', 'given', 'old']);
  });

  it.runIf(isRoot)('keeps the owner, or gives the one that is asked for', () => {
    const folder = scratch();
    const path = join(folder, 'file');
    writeFileSync(path, 'old');
    chownSync(path, 1234, 4321);
    replaceFile(path, NEW);
    expect(statSync(path)).toMatchObject({ uid: 1234, gid: 4321 });
    replaceFile(path, NEW, { owner: { uid: 0, gid: 7 } });
    expect(statSync(path)).toMatchObject({ uid: 0, gid: 7 });
  });

  it('writes an empty file, and one of several megabytes', () => {
    const path = join(scratch(), 'file');
    replaceFile(path, Buffer.alloc(0));
    expect(readFileSync(path)).toHaveLength(0);
    const large = Buffer.alloc(5 * 1024 * 1024, 'x');
    replaceFile(path, large);
    expect(readFileSync(path).equals(large)).toBe(true);
  });

  it('refuses what is no file, and leaves it', () => {
    const folder = scratch();
    writeFileSync(join(folder, 'victim'), 'victim');
    symlinkSync('victim', join(folder, 'link'));
    mkdirSync(join(folder, 'folder'));
    execFileSync('mkfifo', [join(folder, 'fifo')]);
    for (const [name, what] of [
      ['link', 'a symbolic link'],
      ['folder', 'a folder'],
      ['fifo', 'a FIFO'],
    ] as const) {
      const failure = failureOf(() => replaceFile(join(folder, name), NEW));
      expect(failure).toMatchObject({ code: 'not-a-file', exit: 2 });
      expect(failure.message).toContain(what);
    }
    expect(readFileSync(join(folder, 'victim'), 'utf8')).toBe('victim');
    expect(readdirSync(folder).sort()).toEqual(['fifo', 'folder', 'link', 'victim']);
  });

  it('refuses a file with a second name, which would keep the old content', () => {
    const folder = scratch();
    const path = join(folder, 'file');
    writeFileSync(path, 'old');
    linkSync(path, join(folder, 'second'));
    expect(failureOf(() => replaceFile(path, NEW))).toMatchObject({ code: 'hard-link', exit: 2 });
    expect(readFileSync(path, 'utf8')).toBe('old');
  });

  it('refuses a folder that is not there, and one that is a file', () => {
    const folder = scratch();
    writeFileSync(join(folder, 'file'), '');
    expect(failureOf(() => replaceFile(join(folder, 'absent', 'file'), NEW))).toMatchObject({
      code: 'write-failed',
      exit: 5,
    });
    expect(failureOf(() => replaceFile(join(folder, 'file', 'below'), NEW))).toMatchObject({
      code: 'file-unreadable',
      exit: 3,
    });
  });

  it('names path and errno in its failure, not the content', () => {
    const folder = scratch();
    const failure = failureOf(() => replaceFile(join(folder, 'absent', 'file'), Buffer.from('canary')));
    expect(failure.message).toContain('ENOENT');
    expect(failure.message).toContain(join(folder, 'absent'));
    expect(`${failure.message}${failure.stack}`).not.toContain('canary');
  });
});

describe('replaceInPlace', () => {
  it.each(['', 'short', 'a longer content than the old one'])('writes "%s" over the same inode', (text) => {
    const path = join(scratch(), 'PASSWORD');
    writeFileSync(path, 'the old content');
    chmodSync(path, 0o640);
    const { ino } = statSync(path);
    replaceInPlace(path, Buffer.from(text));
    expect(readFileSync(path, 'utf8')).toBe(text);
    expect(statSync(path).ino).toBe(ino);
    expect(mode(path)).toBe(0o640);
  });

  it('makes no file, and follows no link', () => {
    const folder = scratch();
    writeFileSync(join(folder, 'victim'), 'victim');
    symlinkSync('victim', join(folder, 'link'));
    expect(failureOf(() => replaceInPlace(join(folder, 'absent'), NEW)).code).toBe('write-failed');
    expect(failureOf(() => replaceInPlace(join(folder, 'link'), NEW)).code).toBe('not-a-file');
    expect(readFileSync(join(folder, 'victim'), 'utf8')).toBe('victim');
  });
});
