import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { realPath } from '../../../src/platform/real-path.ts';

it('follows links as far as they lead, and keeps what is not there yet', () => {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'comfyui-auth-real-')));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  const at = (path: string) => join(root, path);
  mkdirSync(at('real/folder'), { recursive: true });
  symlinkSync(at('real'), at('link'));
  symlinkSync(at('round'), at('round'));
  expect(realPath(at('link/folder'))).toBe(at('real/folder'));
  expect(realPath(at('link/new/file'))).toBe(at('real/new/file'));
  expect(realPath(at('link/../link/new'))).toBe(at('real/new'));
  expect(realPath(at('round/file'))).toBe(at('round/file'));
  const long = 'x'.repeat(300);
  expect(realPath(at(`link/${long}`))).toBe(at(`real/${long}`));
  expect(realPath('/')).toBe(realpathSync('/'));
});

it('does not take a fault of the system for a path', () => {
  expect(() => realPath('/a\0b')).toThrow();
});
