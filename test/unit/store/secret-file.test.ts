import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { textOrFile } from '../../../entrypoint/environment.ts';
import { handedInByOptions } from '../../../src/commands/sources.ts';
import { readSecretText } from '../../../src/store/secret-file.ts';
import { scratch } from './scratch.ts';

/** What the terminal and the container make of the same file. */
async function both(path: string): Promise<(string | undefined)[]> {
  const world = { cwd: '/' } as Parameters<typeof handedInByOptions>[1];
  const handedIn = await handedInByOptions({ passwordFile: path }, world);
  return [handedIn?.password, textOrFile({ COMFYUI_PASSWORD_FILE: path }, 'COMFYUI_PASSWORD')];
}

it.each([
  ['no line end', 'it is', 'it is'],
  ['LF', 'it is\n', 'it is'],
  ['CRLF', 'it is\r\n', 'it is'],
  ['two', 'it is\n\n', 'it is\n'],
  ['a BOM', '\uFEFFit is', '\uFEFFit is'],
])('is read alike everywhere: %s', async (_, content, expected) => {
  const path = join(scratch(), 'secret');
  writeFileSync(path, content);
  expect(await both(path)).toEqual([expected, expected]);
});

it('follows links, as Kubernetes makes them', async () => {
  const folder = scratch();
  mkdirSync(join(folder, '..2031'));
  writeFileSync(join(folder, '..2031', 'secret'), 'it is\n');
  symlinkSync('..2031', join(folder, '..data'));
  symlinkSync('..data/secret', join(folder, 'secret'));
  expect(await both(join(folder, 'secret'))).toEqual(['it is', 'it is']);
});

it('reads nothing but a regular file of bounded size, and never waits', { timeout: 5_000 }, () => {
  const folder = scratch();
  execFileSync('mkfifo', [join(folder, 'fifo')]);
  symlinkSync('fifo', join(folder, 'link'));
  symlinkSync('loop', join(folder, 'loop'));
  symlinkSync('nowhere', join(folder, 'lost'));
  writeFileSync(join(folder, 'large'), 'x'.repeat(64 * 1024 + 1));
  writeFileSync(join(folder, 'latin'), Buffer.from([0x66, 0xfc]));
  const says = (name: string) => {
    const found = readSecretText(join(folder, name));
    return found.ok ? 'ok' : `${found.why}: ${found.words}`;
  };
  expect(['fifo', 'link'].map(says)).toEqual(Array(2).fill('unusable: is a FIFO, not a file'));
  expect(says('.')).toBe('unusable: is a folder, not a file');
  expect(says('lost')).toBe('unusable: is not there');
  expect(says('large')).toBe('unusable: is too large for a secret');
  expect(says('latin')).toBe('unusable: is not UTF-8 text');
  expect(says('loop')).not.toBe('ok');
});
