import { statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { begin, type FileChange } from '../../../src/store/transaction.ts';
import { scratch, stateIn } from './scratch.ts';

const create = (path: string): FileChange => ({ path, content: Buffer.from('x'), expected: null });
const isRoot = process.getuid?.() === 0;

it.skipIf(!isRoot)('makes folders that the owner of a file in them can enter', () => {
  const root = scratch();
  const [ours, both] = [join(root, 'ws', 'login'), join(root, 'both')];
  const changes = [
    { ...create(join(ours, 'PASSWORD')), owner: { uid: 1234, gid: 1235 } },
    create(join(ours, 'note')),
    { ...create(join(both, 'a', 'PASSWORD')), owner: { uid: 1234, gid: 1235 } },
    { ...create(join(both, 'b', 'PASSWORD')), owner: { uid: 4321, gid: 4321 } },
    create(join(root, 'plain', 'file')),
  ];
  const transaction = begin(stateIn(root), changes, { command: 'sync' });
  transaction.apply();
  transaction.commit();
  const access = (path: string) => {
    const { uid, gid, mode } = statSync(path);
    return `${uid}:${gid} ${(mode & 0o777).toString(8)}`;
  };
  expect([join(root, 'ws'), ours].map(access)).toEqual(['1234:1235 700', '1234:1235 700']);
  expect([both, join(both, 'b')].map(access)).toEqual(['0:0 711', '4321:4321 700']);
  expect(access(join(root, 'plain'))).toBe('0:0 700');
});
