import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { asWorkflow } from './workflow-rules.ts';

// A release is made once, far from here, and cannot be taken back: its scripts run here first, with a gh that only
// writes down what it is asked.
const path = resolve(import.meta.dirname, '..', '..', '.github', 'workflows', 'release.yml');
const release = asWorkflow('release', 'own', readFileSync(path, 'utf8'));

/** Answers `--jq .immutable` with what $IMMUTABLE says, and knows the tags that $TAGS names. */
const GH = `#!/bin/sh
echo "$*" >> calls
case "$*" in
  *--jq\\ .immutable) echo "$IMMUTABLE" ;;
  */git/ref/tags/*) echo " $TAGS " | grep -q " \${2##*/} " ;;
esac
`;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'comfyui-auth-release-'));
  writeFileSync(join(folder, 'gh'), GH);
  chmodSync(join(folder, 'gh'), 0o755);
  writeFileSync(join(folder, 'calls'), '');
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Runs the script of a step, in a repository with some tags; gives its exit code and what gh was asked. */
function step(job: string, name: string, env: Record<string, string>, tags: string[] = []) {
  const run = release?.jobs[job]?.steps?.find((one) => one.name === name)?.run;
  if (run === undefined) throw new Error(`${job} has no step "${name}"`);
  const git = (...args: string[]) => {
    const identity = ['-c', 'user.name=t', '-c', 'user.email=t@t', '-c', 'tag.gpgSign=false'];
    const { status } = spawnSync('git', [...identity, ...args], { cwd: folder });
    if (status !== 0) throw new Error(`git ${args.join(' ')}`);
  };
  git('init', '--quiet');
  git('commit', '--quiet', '--allow-empty', '--message', 'one');
  for (const tag of tags) git('tag', tag);
  const { status } = spawnSync('bash', ['--noprofile', '--norc', '-eo', 'pipefail', '-c', run], {
    cwd: folder,
    env: { PATH: `${folder}:${process.env.PATH}`, GITHUB_SHA: 'c0ffee', TAGS: tags.join(' '), ...env },
  });
  return { status, calls: readFileSync(join(folder, 'calls'), 'utf8').split('\n').filter(Boolean) };
}

describe('move the tag of the major version', () => {
  const move = (tag: string, ...tags: string[]) =>
    step('publish', 'move the tag of the major version', { GITHUB_REF_NAME: tag }, [tag, ...tags]);
  const asked = (tag: string) => `api repos/{owner}/{repo}/git/ref/tags/${tag} --silent`;

  it('makes it with the first version', () => {
    expect(move('v1.0.0', 'v0.9.0')).toEqual({
      status: 0,
      calls: [
        asked('v1'),
        'api --method POST repos/{owner}/{repo}/git/refs -f ref=refs/tags/v1 -f sha=c0ffee --silent',
      ],
    });
  });

  it('moves it to a higher one', () => {
    expect(move('v1.10.0', 'v1.9.3', 'v1', 'v2.0.0')).toEqual({
      status: 0,
      calls: [
        asked('v1'),
        'api --method PATCH repos/{owner}/{repo}/git/refs/tags/v1 -f sha=c0ffee -F force=true --silent',
      ],
    });
  });

  it.each([
    ['a pre-release, though none was released', 'v1.0.0-rc.1', []],
    ['a pre-release of a higher version', 'v1.2.0-rc.1', ['v1.1.0', 'v1']],
    ['a fix of an older version', 'v1.1.1', ['v1.2.0', 'v1']],
  ] as const)('leaves it where it is for %s', (_, tag, tags) => {
    expect(move(tag, ...tags)).toEqual({ status: 0, calls: [] });
  });
});

describe('draft with all files, then publish', () => {
  const publish = (tag: string) =>
    step('publish', 'draft with all files, then publish', { GITHUB_REF_NAME: tag }).calls;

  it('publishes what was a draft with its files', () => {
    expect(publish('v1.2.3')).toEqual([
      'release create v1.2.3 --draft --verify-tag --generate-notes release/*.tgz',
      'release edit v1.2.3 --draft=false',
    ]);
  });

  it('marks a pre-release', () => {
    expect(publish('v1.2.3-rc.1')[0]).toContain('--prerelease --latest=false');
  });
});

it.each([
  ['true', 0],
  ['false', 1],
  ['null', 1],
])('immutable: %s ends with %d', (IMMUTABLE, status) => {
  const env = { GITHUB_REF_NAME: 'v1.2.3', IMMUTABLE };
  expect(step('publish', 'the release is immutable', env).status).toBe(status);
});

it.each([
  ['v1.2.3', 0],
  ['v1.2.4', 1],
])('version 1.2.3 with the tag %s ends with %d', (tag, status) => {
  writeFileSync(join(folder, 'package.json'), '{ "version": "1.2.3" }');
  expect(step('build', 'the tag is the version of package.json', { GITHUB_REF_NAME: tag }).status).toBe(
    status,
  );
});
