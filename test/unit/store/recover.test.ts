import {
  chownSync,
  linkSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { listBackups } from '../../../src/store/backups.ts';
import {
  type Journal,
  keptName,
  type Phase,
  pendingJournal,
  readJournal,
  stagedName,
  writeJournal,
} from '../../../src/store/journal.ts';
import { recover } from '../../../src/store/recover.ts';
import { begin } from '../../../src/store/transaction.ts';
import { failureOf, identityOf, scratch, stateIn } from './scratch.ts';

/** Recovers to the end, as where no service is to be started. */
function recovered(state: Parameters<typeof recover>[0]) {
  const recovery = recover(state);
  recovery.finish();
  return recovery;
}

/** A root where a change of a and b and the making of c was applied, and its process is gone. */
function abandoned() {
  const root = scratch();
  const state = stateIn(root);
  const [a, b, c] = [join(root, 'a'), join(root, 'b'), join(root, 'sub', 'c')];
  writeFileSync(a, 'old a');
  writeFileSync(b, 'old b');
  const before = [identityOf(a), identityOf(b)];
  const change = (path: string, expected: ReturnType<typeof identityOf> | null) => ({
    path,
    content: Buffer.from(`new ${path}`),
    expected,
  });
  const changes = [change(a, identityOf(a)), change(b, identityOf(b)), change(c, null)];
  const transaction = begin(state, changes, { command: 'deploy' });
  transaction.apply();
  transaction.begun({ name: 'one', running: true });
  const journal = readJournal(state);
  if (typeof journal === 'string') throw new Error(journal);
  return { root, state, a, b, c, before, transaction, journal };
}

/** Takes a file back to where it was before its rename. */
function unrename(journal: Journal, path: string): void {
  const file = journal.files.find((entry) => entry.path === path);
  if (file === undefined) throw new Error(path);
  renameSync(path, stagedName(journal, file));
  if (file.before !== null) linkSync(keptName(journal, file), path);
}

const names = (root: string) =>
  readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((name) => !name.startsWith('.comfyui-auth'))
    .sort();

function expectOld({ root, state, a, b, before }: ReturnType<typeof abandoned>): void {
  expect([identityOf(a), identityOf(b)]).toEqual(before);
  expect(names(root)).toEqual(['a', 'b']);
  expect(pendingJournal(state)).toBeNull();
  expect(listBackups(state)).toEqual([]);
  expect(recovered(state)).toMatchObject({ action: 'none', files: [], services: [] });
}

describe('recover', () => {
  it('does nothing where there is nothing', () => {
    const state = stateIn(scratch());
    expect(recovered(state)).toMatchObject({ action: 'none', files: [], services: [] });
  });

  it.each<Phase>(['APPLIED', 'RESTARTED'])('puts the old files back after %s', (phase) => {
    const left = abandoned();
    if (phase === 'RESTARTED') left.transaction.markRestarted();
    expect(pendingJournal(left.state)?.phase).toBe(phase);
    const recovery = recovered(left.state);
    expect(recovery).toMatchObject({
      action: 'rolled-back',
      phase,
      command: 'deploy',
      files: [left.a, left.b, left.c],
      services: [{ name: 'one', running: true }],
    });
    expectOld(left);
  });

  it('names the services again after a kill between the files and their start', () => {
    const left = abandoned();
    recover(left.state);
    expect(pendingJournal(left.state)?.phase).toBe('APPLIED');
    expect(recovered(left.state)).toMatchObject({ action: 'rolled-back', services: [{ name: 'one' }] });
    expectOld(left);
  });

  it('puts back what was renamed after PREPARED, and leaves what was not', () => {
    const left = abandoned();
    unrename(left.journal, left.b);
    unrename(left.journal, left.c);
    writeJournal(left.state, { ...left.journal, phase: 'PREPARED' });
    expect(recovered(left.state)).toMatchObject({ action: 'rolled-back', phase: 'PREPARED', services: [] });
    expectOld(left);
  });

  it('removes what had been staged after STAGING', () => {
    const left = abandoned();
    for (const path of [left.a, left.b, left.c]) unrename(left.journal, path);
    const [, second] = left.journal.files;
    if (second === undefined) throw new Error('two files');
    unlinkSync(keptName(left.journal, second));
    unlinkSync(stagedName(left.journal, second));
    rmSync(join(left.state.path, 'backups', left.journal.backup, 'manifest.json'));
    writeJournal(left.state, { ...left.journal, phase: 'STAGING' });
    expect(recovered(left.state)).toMatchObject({ action: 'cleaned', phase: 'STAGING' });
    expectOld(left);
  });

  it('keeps the new files after COMMITTED, with their backup', () => {
    const left = abandoned();
    writeJournal(left.state, { ...left.journal, phase: 'COMMITTED' });
    expect(recovered(left.state)).toMatchObject({ action: 'cleaned', phase: 'COMMITTED' });
    expect(readFileSync(left.b, 'utf8')).toBe(`new ${left.b}`);
    expect(names(left.root)).toEqual(['a', 'b', 'sub', 'sub/c']);
    expect(listBackups(left.state)).toHaveLength(1);
    expect(pendingJournal(left.state)).toBeNull();
  });

  it('finishes a recovery that was itself interrupted', () => {
    const left = abandoned();
    const [first] = left.journal.files;
    if (first === undefined) throw new Error('a file');
    renameSync(keptName(left.journal, first), first.path);
    unlinkSync(left.c);
    expect(recovered(left.state).action).toBe('rolled-back');
    expectOld(left);
  });

  it('puts the old file back where the new one was removed, but not over what somebody wrote', () => {
    const left = abandoned();
    unlinkSync(left.a);
    writeFileSync(left.b, 'by hand');
    expect(failureOf(() => recovered(left.state))).toMatchObject({ code: 'not-restored', exit: 6 });
    expect(readFileSync(left.b, 'utf8')).toBe('by hand');
    expect(names(left.root)).not.toContain('a');
    unlinkSync(left.b);
    recovered(left.state);
    expectOld(left);
  });

  it.each(['', '{"version":1', '{"version":2}', '[]', '{"version":1,"phase":"APPLIED","files":[]}'])(
    'reports a damaged journal %j, and touches nothing',
    (text) => {
      const left = abandoned();
      writeFileSync(join(left.state.path, 'journal.json'), text);
      expect(pendingJournal(left.state)).toEqual({ phase: 'unreadable', command: 'unknown', files: [] });
      expect(failureOf(() => recovered(left.state))).toMatchObject({ code: 'journal-unreadable', exit: 3 });
      expect(readFileSync(left.a, 'utf8')).toBe(`new ${left.a}`);
    },
  );

  it('believes no journal that lacks a part, or that is not ours', () => {
    const { state, journal } = abandoned();
    const path = join(state.path, 'journal.json');
    for (const key of Object.keys(journal)) {
      writeFileSync(path, JSON.stringify({ ...journal, [key]: undefined }));
      expect(readJournal(state), key).toBe('unreadable');
    }
    writeFileSync(path, JSON.stringify({ ...journal, backup: '../../elsewhere' }));
    expect(readJournal(state)).toBe('unreadable');
    writeFileSync(path, JSON.stringify(journal));
    expect(readJournal(state)).toEqual(journal);
    if (process.getuid?.() !== 0) return;
    chownSync(path, 1234, 1234);
    expect(readJournal(state)).toBe('unreadable');
  });

  it('reports a journal cut at any byte as unreadable', () => {
    const { state } = abandoned();
    const path = join(state.path, 'journal.json');
    const whole = readFileSync(path, 'utf8').trimEnd();
    for (let length = 0; length < whole.length; length++) {
      writeFileSync(path, whole.slice(0, length));
      expect(pendingJournal(state)?.phase).toBe('unreadable');
    }
  });
});
