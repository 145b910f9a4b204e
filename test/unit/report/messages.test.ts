import { describe, expect, it } from 'vitest';
import { program } from '../../../src/cli/program.ts';
import { serverFinding } from '../../../src/commands/server-finding.ts';
import { FINDING_CODES, finding } from '../../../src/model/finding.ts';
import type { RestartDriver } from '../../../src/model/layout.ts';
import { wordsOf } from '../../../src/report/messages.ts';

it('has words for every finding, and a remedy that is a command which exists', () => {
  const commands = program(async () => undefined).commands.map((one) => one.name());
  for (const code of FINDING_CODES) {
    const one = finding(code, {
      service: 'a',
      location: { path: '/r/x y/.env', kind: 'file' },
      args: { key: 'K' },
    });
    const { message, remedy } = wordsOf(one, { root: '/r', cwd: '/elsewhere' });
    expect(message.length, code).toBeGreaterThan(10);
    expect(message, code).not.toMatch(/\n/);
    for (const [, name] of remedy.matchAll(/comfyui-auth (\w+)(?! a)/g))
      expect(commands, `${code}: ${remedy}`).toContain(name);
  }
});

it('quotes a path for a command line', () => {
  const one = finding('session-key-open', { location: { path: "/r/it's here", kind: 'file' } });
  expect(wordsOf(one, { root: '/r', cwd: '/r' }).remedy).toBe(`chmod go= 'it'\\''s here'`);
});

it.each(['guest-mode-on', 'password-file-malformed'] as const)('%s of a server speaks of no file', (code) => {
  const url = 'http://127.0.0.1:8188';
  const one = finding(code, { location: { path: url, kind: 'server' }, args: { hint: 'no-username' } });
  const { message, remedy } = wordsOf(one, { root: '/r', cwd: '/r' });
  expect(message).toContain(url);
  expect(remedy).not.toContain(url);
  expect(remedy).toContain('restart it');
  expect(remedy).not.toContain('comfyui-auth sync');
});

it('names a file in a remedy from the folder in which the command was given', () => {
  const one = finding('legacy-password-file', { location: { path: '/r/a/PASSWORD', kind: 'file' } });
  const said = (cwd: string) => wordsOf(one, { root: '/r', cwd });
  expect(said('/elsewhere')).toMatchObject({ remedy: 'rm /r/a/PASSWORD' });
  expect(said('/')).toMatchObject({ remedy: 'rm r/a/PASSWORD' });
  expect(said('/r/a').remedy).toBe('rm PASSWORD');
  expect(said('/elsewhere').message).toMatch(/^a\/PASSWORD is/);
});

it('says in words why a password cannot be used', () => {
  const location = { path: '/r/.env', kind: 'file' as const };
  const one = finding('password-unusable', { location, args: { fault: 'blank-at-an-end' } });
  expect(wordsOf(one, { root: '/r', cwd: '/r' }).message).toBe(
    'the password in .env cannot be used: it begins or ends with white space',
  );
});

it('names the layout that was given, where the folder does not say it', () => {
  const one = finding('unproven', { service: 'a', location: { path: 'a', kind: 'container' } });
  const said = (layout: string | undefined, cwd: string) =>
    wordsOf(one, { root: '/r', layout, cwd }).remedy.replace(/ {3}#.*/, '');
  expect(said('/r/comfyui-auth.yml', '/r')).toBe('comfyui-auth probe');
  expect(said('/r/comfyui-auth.yml', '/s')).toBe('comfyui-auth probe --root /r');
  expect(said('/r/my layout.yml', '/r')).toBe("comfyui-auth probe --layout 'my layout.yml'");
  expect(said('/r/other.yml', '/s')).toBe('comfyui-auth probe --layout /r/other.yml');
  expect(said(undefined, '/s')).toBe('comfyui-auth probe --root /r');
});

describe('the remedy of a server', () => {
  const said = (restart: RestartDriver, code: 'open' | 'down') => {
    const service = { name: 'a', url: 'http://h', restart, locations: [], authorityDeclared: false };
    return wordsOf(serverFinding(service, 'http://h', code), { root: '/r', cwd: '/s' }).remedy;
  };
  const compose = { driver: 'compose', file: '/r/the file.yml', service: 'unit' } as const;
  const stoppable: RestartDriver = { driver: 'command', command: ['x'], stop: ['svc', 'stop', "it's"] };
  const others: RestartDriver[] = [{ driver: 'none' }, { driver: 'command', command: ['x'] }];

  it('names the compose file and its service: nothing else is ended', () => {
    expect(said(compose, 'open')).toMatch(/^docker compose -f '\/r\/the file\.yml' kill unit {3}#/);
    expect(said(compose, 'down')).toMatch(/^docker compose -f '\/r\/the file\.yml' logs --tail 50 unit {3}#/);
  });

  it('is the layout’s own command where it has one, and else no docker', () => {
    expect(said(stoppable, 'open')).toMatch(/^svc stop 'it'\\''s' {3}#/);
    for (const one of others) {
      expect(said(one, 'open')).toMatch(/^end ComfyUI's process at once/);
      expect(said(one, 'down')).not.toContain('docker');
    }
  });
});

it('says the remedy of what failed a restart, where it has one', () => {
  const location = { path: 'a', kind: 'container' as const };
  const args = { reason: 'why', remedy: 'do that' };
  const one = finding('restart-failed', { service: 'a', location, args });
  expect(wordsOf(one, { root: '/r', cwd: '/r' })).toEqual({
    message: 'a: it could not be made to read its files again: why',
    remedy: 'do that',
  });
});
