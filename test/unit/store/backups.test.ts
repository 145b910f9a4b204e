import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { BACKUP_ID, listBackups, newBackupId, readBackup } from '../../../src/store/backups.ts';
import { begin } from '../../../src/store/transaction.ts';
import { failureOf, identityOf, scratch, stateIn } from './scratch.ts';

/** Commits one change at a given time and gives the id of the set it kept. */
function commitAt(root: string, content: string, now: Date): string {
  const path = join(root, 'file');
  const change = { path, content: Buffer.from(content), expected: identityOf(path) };
  const transaction = begin(stateIn(root), [change], { command: 'sync', now });
  transaction.apply();
  return transaction.commit().backup ?? expect.unreachable('the commit kept no set');
}

const minute = (n: number) => new Date(Date.UTC(2031, 0, 2, 3, n));

describe('backups', () => {
  it('names a set by a sortable time', () => {
    const id = newBackupId(new Date(Date.UTC(2031, 0, 2, 3, 4, 5, 6)));
    expect(id).toMatch(/^20310102T030405\.006Z-[0-9a-f]{4}$/);
    expect(id).toMatch(BACKUP_ID);
  });

  it('keeps the old content, mode and owner, for its owner alone', () => {
    const root = scratch();
    const path = join(root, 'file');
    writeFileSync(path, 'first', { mode: 0o640 });
    const { uid, gid } = statSync(path);
    const id = commitAt(root, 'second', minute(1));
    const state = stateIn(root);
    const [set] = listBackups(state);
    expect(set).toMatchObject({
      id,
      command: 'sync',
      files: [{ path, was: { mode: 0o640, owner: { uid, gid } } }],
    });
    const entry = set?.files[0];
    if (set === undefined || entry === undefined) throw new Error('no set');
    expect(readBackup(state, set, entry).toString()).toBe('first');

    const folder = join(state.path, 'backups', id);
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    for (const name of readdirSync(folder)) expect(statSync(join(folder, name)).mode & 0o777).toBe(0o600);
  });

  it('notes a file that did not exist', () => {
    const root = scratch();
    const state = stateIn(root);
    const path = join(root, 'made');
    const transaction = begin(state, [{ path, content: Buffer.from('x'), expected: null }], {
      command: 'sync',
    });
    transaction.apply();
    transaction.commit();
    expect(listBackups(state)[0]?.files).toEqual([{ path, was: null }]);
  });

  it('keeps the newest ten', () => {
    const root = scratch();
    writeFileSync(join(root, 'file'), 'start');
    const ids = Array.from({ length: 13 }, (_, n) => commitAt(root, `content ${n}`, minute(n)));
    expect(listBackups(stateIn(root)).map((set) => set.id)).toEqual(ids.slice(-10).reverse());
    expect(readdirSync(join(root, '.comfyui-auth', 'backups'))).toHaveLength(10);
  });

  it('finds a damaged copy by its digest', () => {
    const root = scratch();
    writeFileSync(join(root, 'file'), 'first');
    const id = commitAt(root, 'second', minute(1));
    const state = stateIn(root);
    const copy = join(state.path, 'backups', id, '0');
    const [set] = listBackups(state);
    const entry = set?.files[0];
    if (set === undefined || entry === undefined) throw new Error('no set');
    writeFileSync(copy, `${readFileSync(copy, 'utf8')}!`);
    expect(failureOf(() => readBackup(state, set, entry))).toMatchObject({ code: 'backup-damaged', exit: 3 });
  });

  it('does not list what is no whole set', () => {
    const state = stateIn(scratch());
    for (const name of ['20310102T030405.006Z-0000', 'foreign']) {
      mkdirSync(join(state.path, 'backups', name), { recursive: true });
    }
    writeFileSync(join(state.path, 'backups', '20310102T030405.006Z-0000', 'manifest.json'), '{"files":');
    expect(listBackups(state)).toEqual([]);
  });
});
