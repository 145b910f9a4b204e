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
