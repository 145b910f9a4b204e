import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const image = resolve(import.meta.dirname, '..', '..', 'image');
const folder = mkdtempSync(join(tmpdir(), 'image-sources-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const repository = join(folder, 'node.git');
const commits: string[] = [];
/** No setting of whoever runs the tests. */
const env = {
  PATH: process.env.PATH ?? '',
  HOME: folder,
  GIT_CONFIG_NOSYSTEM: '1',
  ...{ GIT_AUTHOR_NAME: 'a', GIT_AUTHOR_EMAIL: 'a@example.invalid' },
  ...{ GIT_COMMITTER_NAME: 'a', GIT_COMMITTER_EMAIL: 'a@example.invalid' },
};

beforeAll(() => {
  const work = join(folder, 'work');
  const git = (...args: string[]) => execFileSync('git', args, { cwd: work, env, encoding: 'utf8' }).trim();
  mkdirSync(join(work, 'js'), { recursive: true });
  git('init', '--quiet', '--initial-branch', 'main');
  for (const text of ['one', 'two']) {
    for (const name of ['__init__.py', 'password.py', 'js/a.js']) writeFileSync(join(work, name), text);
    git('add', '.');
    git('commit', '--quiet', '--message', text);
    commits.push(git('rev-parse', 'HEAD'));
  }
  git('clone', '--quiet', '--bare', '.', repository);
});

let count = 0;
function checkout(from: string, commit: string, more: Record<string, string> = {}) {
  count += 1;
  const target = join(folder, `target-${count}`);
  const args = [join(image, 'checkout.sh'), from, commit, target];
  const { status, stdout, stderr } = spawnSync('sh', args, { env: { ...env, ...more }, encoding: 'utf8' });
  return { status, said: stdout + stderr, target };
}

describe('the files of a commit', () => {
  test.each([
    ['the newest', 1, 'two', {}],
    ['an older one', 0, 'one', {}],
    [
      'an older one, from a server that hands out the tips of branches alone',
      0,
      'one',
      { GIT_CONFIG_COUNT: '1', GIT_CONFIG_KEY_0: 'protocol.version', GIT_CONFIG_VALUE_0: '0' },
    ],
  ])('%s', (_, index, text, more) => {
    const { status, said, target } = checkout(repository, commits[index] ?? '', more);
    expect(status, said).toBe(0);
    expect(readdirSync(target).sort()).toEqual(['__init__.py', 'js', 'password.py']);
    expect(readFileSync(join(target, 'password.py'), 'utf8')).toBe(text);
  });

  test('what can be moved, or is no commit, is refused', () => {
    const [first = ''] = commits;
    for (const name of ['main', '', first.slice(0, 12), first.toUpperCase(), `${first.slice(0, 39)}g`]) {
      const { status, said, target } = checkout(repository, name);
      expect(status, name).toBe(64);
      expect(said).toContain('no full commit id');
      expect(existsSync(target)).toBe(false);
    }
  });

  test('a commit that is not there', () => {
    expect(checkout(repository, '0'.repeat(40)).status).not.toBe(0);
  });

  test('an address with a secret in it is refused, and not repeated', () => {
    const { status, said } = checkout('https://user:hidden@127.0.0.1:1/x.git', commits[0] ?? '');
    expect(status).toBe(64);
    expect(said).not.toContain('hidden');
  });
});

describe.runIf(spawnSync('python3', ['--version']).status === 0)('the list of the login node’s files', () => {
  const list = (target: string) =>
    spawnSync('python3', ['-B', join(image, 'pin-login-node.py'), target, 'https://r.example/x', 'c'], {
      encoding: 'utf8',
    });

  test('names each with its SHA-256', () => {
    const { target } = checkout(repository, commits[1] ?? '');
    const sum = createHash('sha256').update('two').digest('hex');
    expect(JSON.parse(list(target).stdout)).toEqual({
      version: 1,
      repository: 'https://r.example/x',
      commit: 'c',
      files: { '__init__.py': sum, 'js/a.js': sum, 'password.py': sum },
    });
  });

  test('of something else there is none', () => {
    const { target } = checkout(repository, commits[1] ?? '');
    rmSync(join(target, 'password.py'));
    const { status, stdout, stderr } = list(target);
    expect([status, stdout]).toEqual([1, '']);
    expect(stderr).toContain('no ComfyUI-Login');
  });
});
