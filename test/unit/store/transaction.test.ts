import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Failure } from '../../../src/model/failure.ts';
import { listBackups } from '../../../src/store/backups.ts';
import { pendingJournal } from '../../../src/store/journal.ts';
import { begin, type FileChange } from '../../../src/store/transaction.ts';
import { failureOf, identityOf, scratch, stateIn } from './scratch.ts';

const META = { command: 'sync' };

function update(path: string, content: string): FileChange {
  return { path, content: Buffer.from(content), expected: identityOf(path) };
}

function create(path: string, content: string): FileChange {
  return { path, content: Buffer.from(content), expected: null };
}

/** A root with the files a, b and c, each holding `old` and its name. */
function planted() {
  const root = scratch();
  const state = stateIn(root);
  const paths = ['a', 'b', 'c'].map((name) => join(root, name));
  for (const path of paths) writeFileSync(path, `old ${path}`, { mode: 0o640 });
  return { root, state, paths };
}

/** Every name below a folder outside the state folder. */
const names = (root: string) => {
  const all = readdirSync(root, { recursive: true, encoding: 'utf8' });
  return all.filter((name) => !name.startsWith('.comfyui-auth')).sort();
};

describe('a transaction', () => {
  it('changes all files, keeps their modes, and leaves nothing beside them', () => {
    const { root, state, paths } = planted();
    const changes = [
      ...paths.map((path) => update(path, `new ${path}`)),
      create(join(root, 'd', 'e', 'f'), 'made'),
    ];
    const transaction = begin(state, changes, META);
    transaction.apply();
    expect(pendingJournal(state)).toEqual({
      phase: 'APPLIED',
      command: 'sync',
      files: [...transaction.files],
    });
    transaction.markRestarted();
    expect(pendingJournal(state)?.phase).toBe('RESTARTED');
    const { backup } = transaction.commit();

    for (const path of paths) {
      expect(readFileSync(path, 'utf8')).toBe(`new ${path}`);
      expect(statSync(path).mode & 0o777).toBe(0o640);
    }
    expect(readFileSync(join(root, 'd', 'e', 'f'), 'utf8')).toBe('made');
    expect(statSync(join(root, 'd', 'e', 'f')).mode & 0o777).toBe(0o600);
    expect(statSync(join(root, 'd')).mode & 0o777).toBe(0o700);
    expect(names(root)).toEqual(['a', 'b', 'c', 'd', 'd/e', 'd/e/f']);
    expect(pendingJournal(state)).toBeNull();
    expect(listBackups(state).map((set) => set.id)).toEqual([backup]);
  });

  it('puts all back on a rollback: content, inode, folders; and keeps no backup of it', () => {
    const { root, state, paths } = planted();
    const before = paths.map(identityOf);
    const changes = [...paths.map((path) => update(path, 'new')), create(join(root, 'd', 'e', 'f'), 'made')];
    const transaction = begin(state, changes, META);
    transaction.apply();
    transaction.restore();
    transaction.forget();
    expect(paths.map(identityOf)).toEqual(before);
    expect(names(root)).toEqual(['a', 'b', 'c']);
    expect(pendingJournal(state)).toBeNull();
    expect(listBackups(state)).toEqual([]);
  });

  it('leaves a folder that it made where somebody has put something into it', () => {
    const { root, state } = planted();
    const transaction = begin(state, [create(join(root, 'd', 'f'), 'made')], META);
    transaction.apply();
    writeFileSync(join(root, 'd', 'foreign'), '');
    transaction.restore();
    transaction.forget();
    expect(names(root)).toEqual(['a', 'b', 'c', 'd', 'd/foreign']);
    expect(pendingJournal(state)).toBeNull();
  });

  it('drops a change that changes nothing, and writes nothing where none is left', () => {
    const { root, state, paths } = planted();
    const same = paths.map((path) => update(path, `old ${path}`));
    const before = paths.map((path) => statSync(path, { bigint: true }));
    const transaction = begin(state, same, META);
    transaction.apply();
    expect(transaction.files).toEqual([]);
    expect(transaction.commit()).toEqual({ backup: null });
    // Not even the time of the last change of the inode moved: no link, no chmod.
    expect(paths.map((path) => statSync(path, { bigint: true }).ctimeNs)).toEqual(
      before.map((s) => s.ctimeNs),
    );
    expect(readdirSync(state.path)).toEqual(['.gitignore']);
    expect(names(root)).toEqual(['a', 'b', 'c']);
  });

  it('changes a mode alone, and takes it back', () => {
    const { state, paths } = planted();
    const [path = ''] = paths;
    const transaction = begin(state, [{ ...update(path, `old ${path}`), mode: 0o600 }], META);
    transaction.apply();
    expect(statSync(path).mode & 0o777).toBe(0o600);
    transaction.restore();
    transaction.forget();
    expect(statSync(path).mode & 0o777).toBe(0o640);
  });

  it('refuses a new content that its reader would not understand, before anything is written', () => {
    const { root, state, paths } = planted();
    const validate = () => {
      throw new Failure({ code: 'unspellable', exit: 2, message: 'no', remedy: 'none' });
    };
    const changes = paths.map((path) => update(path, 'new'));
    const [first, second, third] = changes;
    if (!first || !second || !third) throw new Error('three files');
    const failure = failureOf(() => begin(state, [first, second, { ...third, validate }], META));
    expect(failure.code).toBe('unspellable');
    expect(names(root)).toEqual(['a', 'b', 'c']);
    expect(pendingJournal(state)).toBeNull();
  });

  it.each<[string, (path: string) => void]>([
    ['written', (path) => writeFileSync(path, 'by hand')],
    ['touched', (path) => writeFileSync(path, readFileSync(path))],
    ['removed', (path) => unlinkSync(path)],
  ])('refuses a file that was %s since it was read, at the beginning and at the end', (_, touch) => {
    for (const moment of ['begin', 'apply'] as const) {
      const { root, state, paths } = planted();
      const changes = paths.map((path) => update(path, 'new'));
      const [, , third = ''] = paths;
      if (moment === 'begin') {
        touch(third);
        expect(failureOf(() => begin(state, changes, META))).toMatchObject({
          code: 'changed-underneath',
          exit: 3,
        });
      } else {
        const transaction = begin(state, changes, META);
        touch(third);
        expect(failureOf(() => transaction.apply()).exit).not.toBe(0);
      }
      const [first = '', second = ''] = paths;
      expect(readFileSync(first, 'utf8')).toBe(`old ${first}`);
      expect(readFileSync(second, 'utf8')).toBe(`old ${second}`);
      expect(existsSync(third) && readFileSync(third, 'utf8') === 'new').toBe(false);
      expect(names(root).filter((name) => name.startsWith('.'))).toEqual([]);
      expect(pendingJournal(state)).toBeNull();
    }
  });

  it('refuses a file that came into being where there was none', () => {
    const { root, state } = planted();
    const path = join(root, 'late');
    const transaction = begin(state, [create(path, 'ours')], META);
    writeFileSync(path, 'theirs');
    expect(failureOf(() => transaction.apply()).code).toBe('changed-underneath');
    expect(readFileSync(path, 'utf8')).toBe('theirs');
  });

  it.each<[string, (path: string) => void]>([
    ['a folder', (path) => mkdirSync(path)],
    ['a symbolic link', (path) => symlinkSync('a', path)],
    ['a file with two names', (path) => linkSync(join(path, '../a'), path)],
  ])('refuses %s before anything is written', (_, plant) => {
    const { root, state } = planted();
    plant(join(root, 'odd'));
    expect(failureOf(() => begin(state, [create(join(root, 'odd'), 'new')], META)).exit).toBe(2);
    expect(readdirSync(state.path)).toEqual(['.gitignore']);
  });

  it('changes none of five files where nothing can be put beside the third', () => {
    const { root, state } = planted();
    const long = 'n'.repeat(250);
    const paths = ['a', 'b', long, 'd', 'e'].map((name) => join(root, name));
    for (const path of paths) writeFileSync(path, `old ${path}`);
    const before = paths.map(identityOf);
    const transaction = begin(
      state,
      paths.map((path) => update(path, 'new')),
      META,
    );
    const failure = failureOf(() => transaction.apply());
    expect(failure).toMatchObject({ code: 'write-failed', exit: 5 });
    expect(failure.message).toMatch(/ENAMETOOLONG.*all files are as they were/);
    expect(paths.map(identityOf)).toEqual(before);
    expect(names(root)).toEqual(['a', 'b', 'c', 'd', 'e', long].sort());
    expect(pendingJournal(state)).toBeNull();
  });

  it.skipIf(process.getuid?.() === 0)(
    'changes none of five files where the third folder is read-only',
    () => {
      const { root, state } = planted();
      const paths = ['1', '2', '3', '4', '5'].map((name) => join(root, name, 'file'));
      for (const path of paths) {
        mkdirSync(join(path, '..'));
        writeFileSync(path, 'old');
      }
      chmodSync(join(root, '3'), 0o555);
      const transaction = begin(
        state,
        paths.map((path) => update(path, 'new')),
        META,
      );
      expect(failureOf(() => transaction.apply())).toMatchObject({ code: 'write-failed', exit: 5 });
      chmodSync(join(root, '3'), 0o755);
      expect(paths.map((path) => readFileSync(path, 'utf8'))).toEqual(Array(5).fill('old'));
    },
  );

  it('begins nothing over a journal that nobody recovered', () => {
    const { state, paths } = planted();
    const [path = ''] = paths;
    begin(state, [update(path, 'new')], META).apply();
    expect(failureOf(() => begin(state, [update(path, 'newer')], META)).code).toBe('journal-pending');
  });

  it('says what stands where when somebody changed a file before the rollback, and touches nothing', () => {
    const { state, paths } = planted();
    const [first = '', second = ''] = paths;
    const transaction = begin(state, [update(first, 'new 1'), update(second, 'new 2')], META);
    transaction.apply();
    writeFileSync(second, 'by hand');
    const failure = failureOf(() => transaction.restore());
    expect(failure).toMatchObject({ code: 'not-restored', exit: 6 });
    expect(failure.message).toContain(`${first}: the new content`);
    expect(failure.message).toContain(`${second}: changed by somebody else since`);
    expect(readFileSync(first, 'utf8')).toBe('new 1');
    expect(readFileSync(second, 'utf8')).toBe('by hand');
  });

  it('writes no value and no plain digest into the journal', () => {
    const { state, paths } = planted();
    const [path = ''] = paths;
    const { digest } = identityOf(path);
    begin(state, [update(path, 'canary')], META).apply();
    const journal = readFileSync(join(state.path, 'journal.json'), 'utf8');
    expect(journal).not.toContain('canary');
    expect(journal).not.toContain(digest);
    expect(journal).not.toContain(identityOf(path).digest);
    expect(statSync(join(state.path, 'journal.json')).mode & 0o777).toBe(0o600);
  });
});
