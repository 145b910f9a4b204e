import { expect, it } from 'vitest';
import { program } from '../../../src/cli/program.ts';
import { FINDING_CODES, finding } from '../../../src/model/finding.ts';
import { wordsOf } from '../../../src/report/messages.ts';

it('has words for every finding, and a remedy that is a command which exists', () => {
  const commands = program(async () => undefined).commands.map((one) => one.name());
  for (const code of FINDING_CODES) {
    const one = finding(code, {
      service: 'a',
      location: { path: '/r/x y/.env', kind: 'file' },
      args: { key: 'K' },
    });
    const { message, remedy } = wordsOf(one, '/r', '/elsewhere');
    expect(message.length, code).toBeGreaterThan(10);
    expect(message, code).not.toMatch(/\n/);
    for (const [, name] of remedy.matchAll(/comfyui-auth (\w+)(?! a)/g))
      expect(commands, `${code}: ${remedy}`).toContain(name);
  }
});

it('quotes a path for a command line', () => {
  const one = finding('session-key-open', { location: { path: "/r/it's here", kind: 'file' } });
  expect(wordsOf(one, '/r', '/r').remedy).toBe(`chmod go= 'it'\\''s here'`);
});

it.each(['guest-mode-on', 'password-file-malformed'] as const)('%s of a server speaks of no file', (code) => {
  const url = 'http://127.0.0.1:8188';
  const one = finding(code, { location: { path: url, kind: 'server' }, args: { hint: 'no-username' } });
  const { message, remedy } = wordsOf(one, '/r', '/r');
  expect(message).toContain(url);
  expect(remedy).not.toContain(url);
  expect(remedy).toContain('restart it');
  expect(remedy).not.toContain('comfyui-auth sync');
});

it('names a file in a remedy from the folder in which the command was given', () => {
  const one = finding('legacy-password-file', { location: { path: '/r/a/PASSWORD', kind: 'file' } });
  const said = (cwd: string) => wordsOf(one, '/r', cwd);
  expect(said('/elsewhere')).toMatchObject({ remedy: 'rm /r/a/PASSWORD' });
  expect(said('/')).toMatchObject({ remedy: 'rm r/a/PASSWORD' });
  expect(said('/r/a').remedy).toBe('rm PASSWORD');
  expect(said('/elsewhere').message).toMatch(/^a\/PASSWORD is/);
});

it('says in words why a password cannot be used', () => {
  const location = { path: '/r/.env', kind: 'file' as const };
  const one = finding('password-unusable', { location, args: { fault: 'blank-at-an-end' } });
  expect(wordsOf(one, '/r', '/r').message).toBe(
    'the password in .env cannot be used: it begins or ends with white space',
  );
});
