import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { closedFolderFindings } from '../../../src/commands/file-findings.ts';
import type { ServiceLayout } from '../../../src/model/layout.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'comfyui-auth-folders-'));
  mkdirSync(join(root, 'ws', 'login'), { recursive: true });
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const self = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
const stranger = { uid: self.uid + 4321, gid: self.gid + 4321 };

function closed(path: string, owner = stranger): string[] {
  const service: ServiceLayout = {
    name: 'comfyui',
    url: 'http://127.0.0.1:8188',
    restart: { driver: 'none' },
    authorityDeclared: false,
    locations: [{ kind: 'password-file', path, owner }],
  };
  return closedFolderFindings(service, root).map((one) => {
    expect(one).toMatchObject({
      code: 'owner-wrong',
      severity: 'critical',
      args: { ...owner, owner: self.uid },
    });
    return one.location?.path ?? '';
  });
}

const [ws, login] = ['ws', 'ws/login'];
const mode = (folder: string, bits: number) => chmodSync(join(root, folder), bits);

it('every folder below the root that ComfyUI’s user cannot enter is critical', () => {
  const path = join(root, login, 'PASSWORD');
  mode('.', 0o700);
  mode(ws, 0o711);
  mode(login, 0o755);
  expect(closed(path)).toEqual([]);
  mode(login, 0o700);
  expect(closed(path)).toEqual([join(root, login)]);
  mode(ws, 0o744);
  expect(closed(path)).toEqual([join(root, login), join(root, ws)]);
  expect(closed(path, { ...stranger, gid: self.gid })).toEqual([join(root, login), join(root, ws)]);
  mode(ws, 0o710);
  mode(login, 0o750);
  expect(closed(path, { ...stranger, gid: self.gid })).toEqual([]);
});

it('a file outside the root has its own folder looked at, and nothing above', () => {
  const other = join(root, 'ws');
  mode(ws, 0o700);
  mode(login, 0o700);
  const path = join(other, 'login', 'PASSWORD');
  root = join(root, 'ws', 'login', 'deployment');
  expect(closed(path)).toEqual([join(other, 'login')]);
  root = join(other, '..');
});
