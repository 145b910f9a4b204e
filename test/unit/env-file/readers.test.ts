// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the files under test are full of them
import { parseEnv } from 'node:util';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type ReadOutcome, readersFor } from '../../../src/env-file/readers/index.ts';
import { parseReaderSpec, READER_NAMES, type ReaderName } from '../../../src/model/layout.ts';
import { envTexts, wildTexts } from './texts.ts';

const HASH = `$2b$12$N9${'x'.repeat(51)}`;

function read(name: ReaderName, text: string, id?: string): ReadOutcome {
  const reader = readersFor({ name }).find((candidate) => id === undefined || candidate.id === id);
  if (reader === undefined) throw new Error(`no reader ${name} ${id}`);
  return reader.read(text);
}

function got(name: ReaderName, text: string, id?: string) {
  const outcome = read(name, text, id);
  if (!outcome.ok) return outcome.reason;
  const { value, unstable } = outcome.values.get('K') ?? {};
  return unstable === undefined ? value : [value, unstable];
}

describe('readersFor', () => {
  const ids = (text: string) => {
    const spec = parseReaderSpec(text);
    if (spec === undefined) throw new Error(text);
    return readersFor(spec).map((reader) => reader.id);
  };

  test('knows every reader', () => {
    for (const name of READER_NAMES) {
      const readers = readersFor({ name });
      expect(readers.length).toBeGreaterThan(0);
      expect(readers.every((reader) => reader.name === name)).toBe(true);
    }
  });

  test('gives the versions that a spec covers, newest first', () => {
    const all = ['compose 2.24+', 'compose 2.20 to 2.23', 'compose 2.10 to 2.19', 'compose 2.2 to 2.9'];
    expect(ids('compose')).toEqual(all);
    expect(ids('compose@2.24+')).toEqual(all.slice(0, 1));
    expect(ids('compose@2.40+')).toEqual(all.slice(0, 1));
    expect(ids('compose@2.21+')).toEqual(all.slice(0, 2));
    expect(ids('compose@2.9+')).toEqual(all);
    expect(ids('node@22+')).toEqual(['node 22+']);
    expect(ids('node@20+')).toEqual(['node 22+', 'node 20']);
  });
});

describe('what a program receives for', () => {
  test.each<[string, Partial<Record<ReaderName, unknown>>]>([
    [
      `K=${HASH}`,
      {
        compose: ['$2b$12', 'expanded'],
        'compose-v1': HASH,
        dotenv: HASH,
        posix: [`b2${'x'.repeat(0)}`, 'expanded'],
        systemd: HASH,
        'docker-run': HASH,
      },
    ],
    [
      `K='${HASH}'`,
      {
        compose: HASH,
        'compose-v1': HASH,
        dotenv: HASH,
        posix: HASH,
        systemd: HASH,
        'docker-run': `'${HASH}'`,
        node: HASH,
        kubectl: `'${HASH}'`,
      },
    ],
    ['K=a b', { compose: 'a b', dotenv: 'a b', posix: ['', 'executed'], systemd: 'a b' }],
    ['K=a#b', { compose: 'a#b', dotenv: 'a', 'python-dotenv': 'a#b', node: 'a', posix: 'a#b' }],
    ['K=a # b', { compose: 'a', dotenv: 'a', 'docker-run': 'a # b', systemd: 'a # b', posix: 'a' }],
    ['K="a$$b"', { compose: 'a$b', dotenv: 'a$$b', posix: ['ab', 'inherited'] }],
    [
      "K='a${X}b'",
      { compose: 'a${X}b', 'python-dotenv': ['ab', 'expanded'], 'compose-v1': ['ab', 'expanded'] },
    ],
    [
      'K=${X:-d}',
      { compose: ['d', 'expanded'], 'python-dotenv': ['d', 'expanded'], posix: ['d', 'expanded'] },
    ],
    ['K=$(id)', { posix: ['', 'executed'], compose: '$(id)', dotenv: '$(id)' }],
    ['K=~/x', { posix: ['~/x', 'inherited'], compose: '~/x' }],
    ['K', { compose: ['', 'inherited'], 'docker-run': ['', 'inherited'], dotenv: undefined }],
    ['export K=v', { compose: 'v', 'docker-run': 'bad-key', systemd: undefined, posix: 'v', node: 'v' }],
    ['garbage here', { compose: 'bad-key', 'docker-run': 'bad-key', dotenv: undefined, posix: undefined }],
    ["K='x", { compose: 'unterminated-quote', dotenv: "'x", posix: 'unterminated-quote', systemd: 'x\n' }],
    ['exit', { posix: 'runs-command' }],
    ['K=(a)', { posix: 'shell-syntax' }],
    ['K=\ufdd0', { systemd: 'not-unicode' }],
  ])('%s', (line, expected) => {
    for (const [name, value] of Object.entries(expected)) {
      expect([name, got(name as ReaderName, `${line}\n`)]).toEqual([name, value]);
    }
  });

  test('old versions of Compose', () => {
    expect(got('compose', 'K=$2b$12$x\n', 'compose 2.10 to 2.19')).toBe('bad-template');
    expect(got('compose', 'K=$2b$12$N9x\n', 'compose 2.2 to 2.9')).toEqual(['bx', 'expanded']);
    expect(got('compose', "K='it\\'s'\n", 'compose 2.20 to 2.23')).toBe("it\\'s");
    expect(got('compose', "K='it\\'s'\n")).toBe("it's");
  });

  test('Node 20 and 22 where they differ', () => {
    expect(got('node', 'K= \nNEXT=x\n', 'node 22+')).toBe('NEXT=x');
    expect(got('node', ' \nK=v\n', 'node 20')).toBe('v');
    expect(got('node', 'A=1\n \nK=v\n', 'node 20')).toBeUndefined();
  });

  test('lines, counted from 1', () => {
    const outcome = read('compose', "# c\nA='x\ny'\n\nK=v\n");
    expect(outcome.ok && outcome.values.get('K')?.line).toBe(5);
    expect(read('compose', "A=1\nB='x\n")).toEqual({ ok: false, line: 2, reason: 'unterminated-quote' });
    expect(read('kubectl', 'A=1\nA=2\n')).toEqual({ ok: false, line: 2, reason: 'duplicate-key' });
    expect(read('docker-run', `A=${'x'.repeat(65_536)}\n`)).toMatchObject({
      line: 1,
      reason: 'line-too-long',
    });
  });
});

describe('every model', () => {
  test('comes to an end on any text', () => {
    const readers = READER_NAMES.flatMap((name) => readersFor({ name }));
    const reads = (text: string) => readers.every((reader) => typeof reader.read(text).ok === 'boolean');
    fc.assert(fc.property(wildTexts, reads), { numRuns: 1000 });
    fc.assert(fc.property(envTexts, reads), { numRuns: 1000 });
  });

  test('of Node reads as the Node that runs this', () => {
    const id = process.versions.node.startsWith('20.') ? 'node 20' : 'node 22+';
    const same = (text: string) => {
      const outcome = read('node', text, id);
      const values = outcome.ok
        ? Object.fromEntries([...outcome.values].map(([key, { value }]) => [key, value]))
        : {};
      expect(values).toEqual({ ...parseEnv(text) });
    };
    fc.assert(fc.property(envTexts, same), { numRuns: 2000 });
  });
});
