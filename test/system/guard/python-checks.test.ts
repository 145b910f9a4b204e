import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { requires } from '../capability.ts';
import { PYTHON, withoutPython } from './python.ts';

const project = resolve(import.meta.dirname, '..', '..', '..');
const tests = join('test', 'guard');
const config = join(tests, 'pyproject.toml');
const scratch = mkdtempSync(join(tmpdir(), 'comfyui-auth-python-'));
afterAll(() => rmSync(scratch, { recursive: true }));

/** Runs a module of Python in the project, which stays as it is: no bytecode, no cache. A warning is an error. */
function run(module: string, ...args: string[]): { status: number | null; output: string } {
  const env = {
    PATH: process.env.PATH ?? '',
    TMPDIR: scratch,
    PYTHONDONTWRITEBYTECODE: '1',
    // What else is installed there has nothing to say, and warns of things of its own.
    PYTEST_DISABLE_PLUGIN_AUTOLOAD: '1',
  };
  const words = ['-W', 'error', '-m', module, ...args];
  const { status, stdout, stderr } = spawnSync(PYTHON, words, { cwd: project, env, encoding: 'utf8' });
  return { status, output: stdout + stderr };
}

/** Every file of the tests, in a few orders that are no order. */
const names = readdirSync(join(project, tests)).filter((name) => /^test_.*\.py$/.test(name));
const whole = { minLength: names.length, maxLength: names.length };
const orders = fc.sample(fc.shuffledSubarray(names, whole), 2);

const tools = spawnSync(PYTHON, ['-c', 'import mypy, pytest']).status === 0;
const skipped = [withoutPython(), requires('mypy and pytest (test/guard/requirements.txt)', tools)].includes(
  true,
);

describe.skipIf(skipped)('the guard, as Python sees it', () => {
  test('its types hold', () => {
    const { status, output } = run(
      ...['mypy', '--strict', '--config-file', config, '--cache-dir', join(scratch, 'mypy'), 'image/guard'],
    );
    expect(status, output).toBe(0);
  });

  test.each([names, ...orders])('its own tests pass, without a warning: %s first', (...files) => {
    const { status, output } = run(
      'pytest',
      '-W',
      'error',
      '-c',
      config,
      ...files.map((name) => join(tests, name)),
    );
    expect(status, output).toBe(0);
    expect(output).toMatch(/^=* ?\d+ passed in /m);
  });
});
