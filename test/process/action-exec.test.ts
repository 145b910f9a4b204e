import { chmodSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { actionProcess } from '../../src/action/exec.ts';
import { nodeProcess, type ProcessOptions } from '../../src/platform/process.ts';

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'comfyui-auth-exec-')));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const NODE = process.execPath;
const script = (text: string): [string, string[]] => [NODE, ['-e', text]];
const file = (name: string, text: string, mode: number) => {
  const path = join(folder, name);
  writeFileSync(path, text);
  chmodSync(path, mode);
  return path;
};
const SAY_IDS = 'console.log(process.getuid(), process.getgid(), process.getgroups().join())';
const SECOND_MS = 1000;

type Case = [
  name: string,
  call: [command: string, args: string[]],
  options: ProcessOptions,
  end: { code: number | null; stdout?: string; stderr?: string; failure?: string },
];

const cases: Case[] = [
  [
    'what it says',
    script('console.log("out"); console.error("err")'),
    {},
    { code: 0, stdout: 'out\n', stderr: 'err\n' },
  ],
  ['its exit code', script('process.exit(7)'), {}, { code: 7 }],
  [
    'half a character at a time',
    script('for (const b of Buffer.from("é€")) require("fs").writeSync(1, Buffer.from([b]))'),
    {},
    { code: 0, stdout: 'é€' },
  ],
  [
    'words as they are',
    script('console.log(JSON.stringify(process.argv.slice(1)))'),
    {},
    { code: 0, stdout: '[]\n' },
  ],
  [
    'words with everything',
    [
      NODE,
      [
        '-e',
        'console.log(JSON.stringify(process.argv.slice(1)))',
        '--',
        'a b',
        '"',
        "'",
        '',
        '\\',
        '$x',
        '*',
        'ü\n',
      ],
    ],
    {},
    { code: 0, stdout: `${JSON.stringify(['a b', '"', "'", '', '\\', '$x', '*', 'ü\n'])}\n` },
  ],
  [
    'a program with a blank in its path',
    [file('a program', '#!/bin/sh\necho here', 0o755), []],
    {},
    { code: 0, stdout: 'here\n' },
  ],
  [
    'its input',
    script('process.stdin.pipe(process.stdout)'),
    { input: 'a secret\n' },
    { code: 0, stdout: 'a secret\n' },
  ],
  [
    'no input: the end of stdin comes at once',
    script('process.stdin.pipe(process.stdout)'),
    {},
    { code: 0, stdout: '' },
  ],
  [
    'empty input likewise',
    script('process.stdin.pipe(process.stdout)'),
    { input: '' },
    { code: 0, stdout: '' },
  ],
  [
    'input that nobody reads',
    script('process.stdin.destroy()'),
    { input: 'x'.repeat(1_000_000) },
    { code: 0 },
  ],
  ['its folder', script('console.log(process.cwd())'), { cwd: folder }, { code: 0, stdout: `${folder}\n` }],
  [
    'the whole environment',
    script('console.log(process.env.A, process.env.HOME)'),
    { env: { PATH: process.env.PATH, A: 'b' } },
    { code: 0, stdout: 'b undefined\n' },
  ],
  ['a program that is not there', ['no-such-program', ['x']], {}, { code: null, failure: 'ENOENT' }],
  ['a path that is not there', [join(folder, 'no-such-program'), []], {}, { code: null, failure: 'ENOENT' }],
  ['a file that is no program', [file('no-program', 'x', 0o644), []], {}, { code: null, failure: 'EACCES' }],
  [
    'a folder that is not there',
    script(''),
    { cwd: join(folder, 'nowhere') },
    { code: null, failure: 'ENOENT' },
  ],
  [
    'an end by itself',
    script('process.kill(process.pid, "SIGTERM")'),
    {},
    { code: null, failure: 'SIGTERM' },
  ],
  ['an end by force', script('process.kill(process.pid, "SIGKILL")'), {}, { code: null, failure: 'SIGKILL' }],
  [
    'too long',
    script('setInterval(() => undefined, 9e6)'),
    { timeoutMs: 100 },
    { code: null, failure: 'SIGKILL' },
  ],
  [
    'too long, deaf to signals',
    script('process.on("SIGTERM", () => undefined); setInterval(() => undefined, 9e6)'),
    { timeoutMs: 100 },
    { code: null, failure: 'SIGKILL' },
  ],
  ['a program without a name', ['', []], {}, { code: null, failure: 'EINVAL' }],
  ['a NUL in a word', [NODE, ['a\0b']], {}, { code: null, failure: 'EINVAL' }],
  ['a word that is too long', [NODE, ['x'.repeat(4_000_000)]], {}, { code: null, failure: 'E2BIG' }],
  [
    'a word that is too long, with input',
    [NODE, ['x'.repeat(4_000_000)]],
    { input: 'x' },
    { code: null, failure: 'E2BIG' },
  ],
  ['in time', script(''), { timeoutMs: 60 * SECOND_MS }, { code: 0 }],
  [
    'called off before it began',
    script(''),
    { signal: AbortSignal.abort() },
    { code: null, failure: 'ABORT_ERR' },
  ],
];

const asRoot: Case[] = [
  [
    'another user',
    script(SAY_IDS),
    { user: { uid: 12345, gid: 23456 } },
    { code: 0, stdout: '12345 23456 23456\n' },
  ],
  [
    'another user’s input',
    ['cat', []],
    { user: { uid: 12345, gid: 23456 }, input: 'x' },
    { code: 0, stdout: 'x' },
  ],
  [
    'another user, no such program',
    ['/no-such-program', []],
    { user: { uid: 12345, gid: 23456 } },
    { code: null, failure: 'ENOENT' },
  ],
];

describe.each([
  ['the terminal', nodeProcess],
  ['the action', actionProcess],
])('the process port of %s', (_, port) => {
  const run = async ([, [command, args], options, end]: Case) => {
    const { failure, ...rest } = await port.run(command, args, options);
    expect({ ...rest, failure }).toMatchObject({ failure: undefined, ...end });
  };
  it.each(cases.map((one) => [one[0], one] as const))('%s', (_name, one) => run(one));
  it
    .skipIf(process.getuid?.() !== 0 || process.platform !== 'linux')
    .each(asRoot.map((one) => [one[0], one] as const))('%s', (_name, one) => run(one));

  it('ends at once where it is called off, and the program with it', async () => {
    const pidFile = join(folder, 'pid');
    rmSync(pidFile, { force: true });
    const ending = new AbortController();
    const [command, args] = script(
      `require("fs").writeFileSync(${JSON.stringify(pidFile)}, String(process.pid)); setInterval(() => undefined, 9e6)`,
    );
    const ran = port.run(command, args, { signal: ending.signal });
    const pid = await number(pidFile);
    ending.abort();
    expect(await ran).toMatchObject({ code: null, failure: 'ABORT_ERR' });
    await gone(pid);
  });
});

describe('the process port of the action', () => {
  it('prints nothing of the program', async () => {
    const written: unknown[] = [];
    const write = process.stdout.write.bind(process.stdout);
    process.stdout.write = (chunk: unknown) => written.push(chunk) > 0;
    try {
      await actionProcess.run(...script('console.log("a secret")'));
      await actionProcess.run('no-such-program', ['a secret']);
    } finally {
      process.stdout.write = write;
    }
    expect(written).toEqual([]);
  });
});

/** The number in a file that is about to be written. */
async function number(path: string): Promise<number> {
  for (;;) {
    try {
      const text = readFileSync(path, 'utf8');
      if (text !== '') return Number(text);
    } catch {
      // Not yet.
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Resolves when a process is not there any more. */
async function gone(pid: number): Promise<void> {
  for (;;) {
    try {
      process.kill(pid, 0);
    } catch {
      return;
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
}
