import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { readExtraPaths } from '../../../entrypoint/custom-nodes/extra-paths.ts';

const folder = mkdtempSync(join(tmpdir(), 'extra-paths-'));
const path = join(folder, 'extra.yaml');
afterAll(() => rmSync(folder, { recursive: true }));

const { uid, gid, username, homedir } = userInfo();
const user = { env: { HOME: '/home/me', DATA: '/data', EMPTY: '' }, owner: { uid, gid } };

async function read(content: string | Buffer, of = user) {
  writeFileSync(path, content);
  const { folders, fault } = await readExtraPaths(path, of);
  return fault ?? folders.map((one) => `${one.first ? '!' : ''}${one.path}`);
}

const section = (...lines: string[]) => `one:\n${lines.map((line) => `  ${line}\n`).join('')}`;

describe('what ComfyUI makes of an extra_model_paths file', () => {
  test.each<[string, string, string[]]>([
    ['an absolute path', section('custom_nodes: /x/nodes/'), ['/x/nodes']],
    ['a path beside the file', section('custom_nodes: nodes'), [join(folder, 'nodes')]],
    ['below a base_path', section('custom_nodes: nodes', 'base_path: /base'), ['/base/nodes']],
    ['a relative base_path', section('base_path: ../base', 'custom_nodes: cn'), [join(folder, '../base/cn')]],
    ['an absolute path wins', section('base_path: /base', 'custom_nodes: /x'), ['/x']],
    [
      'a base_path that looks like a number',
      section('base_path: .', 'custom_nodes: cn'),
      [join(folder, 'cn')],
    ],
    [
      'variables',
      section(`base_path: $DATA/$\{DATA}/$NONE$\{EMPTY}`, 'custom_nodes: cn'),
      ['/data/data/$NONE/cn'],
    ],
    ['no variables in a value', section('base_path: /b', 'custom_nodes: $DATA'), ['/b/$DATA']],
    ['the home', section('base_path: ~/c', 'custom_nodes: cn'), ['/home/me/c/cn']],
    ['another’s home', section(`base_path: ~${username}`, 'custom_nodes: cn'), [`${homedir}/cn`]],
    ['nobody’s home', section('base_path: ~no-such-user/c', 'custom_nodes: /x'), ['/x']],
    ['several lines', section('custom_nodes: |', '  /a', '', '  /b c', ''), ['/a', '/b c']],
    ['quotes and comments', section(`"custom_nodes": '/a # b' # c`), ['/a # b']],
    ['a flow', 'one: {custom_nodes: /a, is_default: true}', ['!/a']],
    ['is_default', section('is_default: yes', 'custom_nodes: /a'), ['!/a']],
    ['is_default off', section('is_default: off', 'custom_nodes: /a'), ['/a']],
    ['is_default as a number', section('is_default: 1', 'custom_nodes: /a'), ['!/a']],
    ['an alias', 'x: &x {custom_nodes: /a}\ny: *x\nz:\n  <<: *x\n  loras: l\n', ['/a', '/a', '/a']],
    ['two sections and an empty one', 'a: {custom_nodes: /a}\nb:\nc: {custom_nodes: /c}\n', ['/a', '/c']],
    ['the last of two equal keys', section('custom_nodes: /a', 'custom_nodes: /b'), ['/b']],
    ['no custom nodes', section('loras: /x', 'vae: z'), []],
    ['a BOM, and CRLF', '\ufeffone:\r\n  custom_nodes: /a\r\n', ['/a']],
  ])('%s', async (_, text, expected) => {
    expect(await read(text)).toEqual(expected);
  });

  test.each<[string, string | Buffer, RegExp]>([
    ['an empty file', '', /no sections/],
    ['a list', '- a', /no sections/],
    ['a text for a section', 'one: two', /no keys in one/],
    ['an empty value', section('loras:', 'custom_nodes: /a'), /loras in one/],
    ['a list for a value', section('custom_nodes: [/a]'), /custom_nodes in one/],
    ['sections for base_path', section('base_path: {}', 'custom_nodes: /a'), /base_path in one/],
    ['a tab for an indent', 'one:\n\tcustom_nodes: /a\n', /no YAML/],
    ['not UTF-8', Buffer.from([0x61, 0x3a, 0x20, 0xff]), /no YAML/],
    ['two documents', 'a: {}\n---\nb: {}\n', /no YAML/],
    ['too deep', `a: ${'['.repeat(9000)}`, /no YAML/],
    ['too large', `a: {}\n${'#'.repeat(70_000)}`, /EFBIG/],
  ])('%s is a fault', async (_, text, fault) => {
    expect(await read(text)).toMatch(fault);
  });

  test('a bomb of aliases ends soon', async () => {
    const levels = Array.from({ length: 30 }, (_, at) => {
      const names = Array.from({ length: 9 }, () => `*a${at}`).join(',');
      return `a${at + 1}: &a${at + 1} [${names}]\n`;
    });
    expect(await read(`a0: &a0 [x]\n${levels.join('')}`)).toMatch(/no YAML|no keys/);
  });

  test('without HOME, the account’s home', async () => {
    const content = section('base_path: "~"', 'custom_nodes: cn');
    expect(await read(content, { ...user, env: {} as typeof user.env })).toEqual([`${homedir}/cn`]);
  });

  test('what is no file', async () => {
    expect((await readExtraPaths(join(folder, 'absent'), user)).fault).toBe('is not there');
    expect((await readExtraPaths(folder, user)).fault).toBe('is a folder, not a file');
  });
});
