import { expect, test } from 'vitest';
import { editEnv } from '../../../src/env-file/edit.ts';

test('x', () => {
  const r = editEnv(
    "A=1\nK=old # c\nB='x'\n",
    [
      { key: 'K', value: '$2b$12$N9qo8uLOickgx2ZMRZoMye' },
      { key: 'NEW', value: 'plain' },
    ],
    [{ name: 'compose' }, { name: 'dotenv' }],
    ['K'],
  );
  expect(r).toEqual({
    ok: true,
    text: "A=1\nK='$2b$12$N9qo8uLOickgx2ZMRZoMye'\nNEW=plain\nB='x'\n",
    changed: ['K', 'NEW'],
    removedDuplicates: [],
    notes: [],
  });
});
