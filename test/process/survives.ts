import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { expect } from 'vitest';
import { CLI, type Deployment, found, type Ran, runBundle } from './deployment.ts';
import { expectSilent } from './silence.ts';

/** What must not leave by any way. */
export const knownSecrets = (tree: Deployment) => [
  tree.password,
  tree.bearer,
  ...Object.values(tree.secrets),
];

/** Puts something else in the place of a file. */
export function instead(tree: Deployment, path: string, make: (absolute: string) => void): void {
  rmSync(tree.path(path));
  make(tree.path(path));
}

export const fifo = (path: string) => expect(spawnSync('mkfifo', [path]).status).toBe(0);

/** The codes that a run gives, whatever it says them by. */
export const codesOf = (ran: Ran): string[] => [
  ...(ran.json.error === undefined ? [] : [ran.json.error.code]),
  ...ran.json.findings.map((one: { code: string }) => one.code),
];

export interface Bad {
  name: string;
  plant?: (tree: Deployment) => void;
  env?: (tree: Deployment) => Record<string, string>;
  /** What `audit` must say, and how it must end. */
  audit?: readonly [exit: number, code?: string, args?: object];
  /** How `sync` must end: with a refusal that says this, or with everything mended. */
  sync: readonly [exit: 2 | 3 | 5, code: string] | 'mends' | 'nothing to do';
}

/** One bad input through `audit` and `sync`, as JSON and as text: the right words, no secret, no byte changed. */
export function survives(tree: Deployment, { plant, env, audit, sync }: Bad): void {
  plant?.(tree);
  const given = env?.(tree) ?? {};
  const secrets = [...knownSecrets(tree), ...Object.values(given).filter((value) => value.length >= 8)];
  const before = tree.photograph();
  const looked = tree.runWith({ env: given }, 'audit');
  const text = runBundle(CLI, ['audit', '--root', tree.root], { env: given });
  expectSilent([looked.stdout, looked.stderr, text.stdout, text.stderr].join('\n'), secrets);
  if (audit !== undefined) {
    const [exit, code, args] = audit;
    if (code !== undefined) expect(codesOf(looked)).toContain(code);
    if (code !== undefined && args !== undefined) expect(found(looked, code)[0]?.args).toMatchObject(args);
    expect([looked.code, text.code]).toEqual([exit, exit]);
  }
  expect(tree.photograph()).toEqual(before);

  const ran = tree.runWith({ env: given }, 'sync');
  expectSilent(ran.stdout + ran.stderr, secrets);
  if (typeof sync === 'string') {
    expect(ran.json, ran.stdout).toMatchObject({ status: sync === 'mends' ? 'changed' : 'unchanged' });
    const after = tree.photograph();
    expect(tree.runWith({ env: given }, 'sync').json.status).toBe('unchanged');
    expect(tree.photograph()).toEqual(after);
    return;
  }
  expect([codesOf(ran).includes(sync[1]), ran.code], ran.stdout).toEqual([true, sync[0]]);
  const after = tree.photograph();
  for (const [path, state] of Object.entries(before)) expect(after[path], path).toBe(state);
}
