import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished } from 'vitest';
import { Failure } from '../../../src/model/failure.ts';
import { type FileIdentity, readRegular } from '../../../src/store/read-file.ts';
import { makeStateFolder, type StateFolder } from '../../../src/store/state.ts';

/** A temporary folder that goes with the test. */
export function scratch(): string {
  const folder = mkdtempSync(join(tmpdir(), 'comfyui-auth-store-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A state folder that is ready to be written in, in a root of its own. */
export function stateIn(root: string): StateFolder {
  const state = { path: join(root, '.comfyui-auth') };
  makeStateFolder(state);
  return state;
}

/** The identity of a file, as a plan would have read it. */
export function identityOf(path: string): FileIdentity {
  const found = readRegular(path);
  if (found.kind !== 'file') throw new Error(`${path} is ${found.kind}`);
  return found.identity;
}

/** The Failure that a call ends in; fails the test where it ends in none. */
export function failureOf(call: () => unknown): Failure {
  try {
    call();
  } catch (error) {
    expect(error).toBeInstanceOf(Failure);
    return error as Failure;
  }
  return expect.unreachable('no Failure was thrown');
}
