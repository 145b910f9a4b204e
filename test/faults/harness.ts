// The lab's own driven program: one transaction of src/store over the files that a plan names.
import { accessSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Failure } from '../../src/model/failure.ts';
import { acquireLock } from '../../src/store/lock.ts';
import { readRegular } from '../../src/store/read-file.ts';
import { recover } from '../../src/store/recover.ts';
import { makeStateFolder, stateFolder } from '../../src/store/state.ts';
import { begin, type FileChange } from '../../src/store/transaction.ts';

type Plan = { path: string; content: string; mode?: number }[];

function changes(root: string, plan: Plan): FileChange[] {
  return plan.map(({ path, content, mode }) => {
    const found = readRegular(join(root, path));
    if (found.kind === 'not-a-file' || found.kind === 'unreadable') {
      throw new Failure({ code: 'unreadable', exit: 3, message: `${path}: ${found.kind}`, remedy: 'none' });
    }
    return {
      path: join(root, path),
      content: Buffer.from(content),
      expected: found.kind === 'file' ? found.identity : null,
      ...(mode !== undefined && { mode }),
    };
  });
}

function run(mode: string, root: string, planFile: string): void {
  const plan: Plan = JSON.parse(readFileSync(planFile, 'utf8'));
  const state = stateFolder(root, {});
  makeStateFolder(state);
  const lock = acquireLock(state, mode);
  try {
    recover(state).finish();
    if (mode === 'recover') return;
    const transaction = begin(state, changes(root, plan), { command: mode });
    transaction.apply();
    if (mode === 'commit') {
      transaction.commit();
      return;
    }
    // What the lab does to a rollback starts here.
    accessSync(join(root, 'marker'));
    transaction.restore();
    transaction.forget();
  } finally {
    lock.release();
  }
}

const [mode = '', root = '', planFile = ''] = process.argv.slice(2);
try {
  run(mode, root, planFile);
} catch (error) {
  console.error(error instanceof Failure ? `${error.code}: ${error.message}` : error);
  process.exitCode = error instanceof Failure ? error.exit : 70;
}
