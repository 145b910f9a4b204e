import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { workflowsIn } from '../../process/workflow-rules.ts';
import { requires } from '../capability.ts';

const project = resolve(import.meta.dirname, '..', '..', '..');
const config = (name: string) => join(project, '.github', name);

/** Each linter of workflows; `strict` for those that stand here, which need not be as short as an example. */
const LINTERS = [
  {
    program: 'actionlint',
    args: ['-no-color', '-pyflakes=', '-config-file', config('actionlint.yaml')],
    strict: [],
  },
  {
    program: 'zizmor',
    args: ['--offline', '--strict-collection', '--config', config('zizmor.yml')],
    strict: ['--persona=pedantic', join(project, 'action.yml'), config('dependabot.yml')],
  },
] as const;

const namesIn = (folder: string) =>
  readdirSync(join(project, folder)).map((name) => join(project, folder, name));
const workflows = [...namesIn('.github/workflows'), ...namesIn('docs/examples')];

let folder: string;
const scratch = (name: string, text: string) => {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
};
beforeAll(() => {
  folder = join(mkdtempSync(join(tmpdir(), 'comfyui-auth-lint-')), '.github', 'workflows');
  mkdirSync(folder, { recursive: true });
});
afterAll(() => rmSync(resolve(folder, '..', '..'), { recursive: true }));

/** What a linter says of some files; nothing where they please it. */
function ask(program: string, args: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(program, args, { cwd: project, encoding: 'utf8' });
  return { status, said: status === 0 ? '' : stdout + stderr };
}

const missing = (program: string) => requires(program, ask(program, ['--version']).status === 0);
const SHELL = 'shellcheck';

describe.each(LINTERS)('$program', ({ program, args, strict }) => {
  // actionlint asks shellcheck about each `run`.
  const skipped = missing(program) || missing(SHELL);
  const lint = (paths: string[]) => ask(program, [...args, ...paths]);

  test.skipIf(skipped)('has nothing to say of the workflows and the examples', () => {
    expect(lint([...strict, ...workflows])).toEqual({ status: 0, said: '' });
  });

  test.skipIf(skipped)('nor of the workflows in the documentation', () => {
    const blocks = workflowsIn('README', readFileSync(join(project, 'README.md'), 'utf8'));
    expect(blocks.length).toBeGreaterThan(0);
    const paths = blocks.map(({ text }, index) => scratch(`block-${index}.yml`, text));
    expect(lint(paths)).toEqual({ status: 0, said: '' });
  });

  test.skipIf(skipped)('has something to say of a bad one', () => {
    const echo = `echo "\${{ github.event.issue.title }}"`;
    const steps = `[{ run: '${echo}' }]`;
    const bad = `on: issues\npermissions: {}\njobs: { a: { runs-on: ubuntu-latest, steps: ${steps} } }\n`;
    const { status, said } = lint([scratch('bad.yml', bad)]);
    expect(status).not.toBe(0);
    expect(said).toMatch(/template-injection|potentially untrusted/);
  });
});

test.skipIf(missing(SHELL))('shellcheck has nothing to say of the scripts', () => {
  const scripts = readdirSync(join(project, 'test'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.sh'))
    .map((name) => join('test', name))
    .filter((name) => readFileSync(join(project, name), 'utf8').startsWith('#!'));
  expect(scripts.length).toBeGreaterThan(0);
  expect(ask(SHELL, ['.ci/run', ...scripts])).toEqual({ status: 0, said: '' });
});
