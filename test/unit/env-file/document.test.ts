import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeEnv } from '../../../src/env-file/decode.ts';
import { EnvDocument } from '../../../src/env-file/document.ts';
import { envTexts, wildTexts } from './texts.ts';

describe('EnvDocument', () => {
  test('prints every text as it was', () => {
    const identity = (text: string) => EnvDocument.parse(text).toString() === text;
    fc.assert(fc.property(wildTexts, identity), { numRuns: 2000 });
    fc.assert(fc.property(envTexts, identity), { numRuns: 2000 });
  });

  test.each([
    ['plain', 'A=1\nK=v\n', 'v'],
    ['exported, with blanks', '\texport  K = v w\r\nA=1', 'v w'],
    ['first, behind a byte order mark', '\ufeffK=v\n', 'v'],
    ['last, without a line end', 'A=1\nK=v', 'v'],
    ['over several lines', "K='a\nb' # c\nA=1\n", "'a\nb' # c"],
    ['empty', 'K=\nA=1\n', ''],
  ])('finds a statement: %s', (_, text, raw) => {
    expect(
      EnvDocument.parse(text)
        .statements('K')
        .map((statement) => statement.raw),
    ).toEqual([raw]);
  });

  test.each([
    ['a comment', '#K=v\n# K=v\n'],
    ['another name', 'MY_K=v\nK_2=v\nXK=v\n'],
    ['the inside of a quoted value', 'A="x\nK=v\n"\nB=\'\nK=v\'\n'],
    ['a name without a value', 'K\n'],
  ])('does not take for one: %s', (_, text) => {
    expect(EnvDocument.parse(text).statements('K')).toEqual([]);
  });

  test('names the line of a quote that nothing closes, or not for certain', () => {
    expect(EnvDocument.parse("A=1\nB='x\nC=2\n").unclosed).toBe(2);
    expect(EnvDocument.parse("A='x\\'\nC=2\nD='y'\n").unclosed).toBe(1);
    expect(EnvDocument.parse("# it's\nA=it's\nB='x' # don't\n").unclosed).toBeUndefined();
  });

  test('touches nothing but the lines it edits', () => {
    const text = "\ufeffA=1\r\nK=old\r\nB='\nK=no\n'\nK=older";
    const document = EnvDocument.parse(text);
    const [first, second] = document.statements('K');
    if (first === undefined || second === undefined) throw new Error('two statements expected');
    document.remove(first);
    document.replace(second, 'K=new');
    document.insertAfter(undefined, ['N=1', 'M=2']);
    expect(document.toString()).toBe("\ufeffA=1\r\nB='\nK=no\n'\nK=new\nN=1\nM=2\n");
  });

  test.each([
    ['', 'N=1\n'],
    ['\ufeff', '\ufeffN=1\n'],
    ['A=1', 'A=1\nN=1\n'],
    ['A=1\r\nB=2', 'A=1\r\nB=2\r\nN=1\r\n'],
    ['A=1\n', 'A=1\nN=1\n'],
  ])('adds a line to %j', (text, printed) => {
    const document = EnvDocument.parse(text);
    document.insertAfter(undefined, ['N=1']);
    expect(document.toString()).toBe(printed);
  });
});

describe('decodeEnv', () => {
  test('keeps the byte order mark', () => {
    expect(decodeEnv(Buffer.from('\ufeffA=é\n'))).toEqual({ ok: true, text: '\ufeffA=é\n' });
  });

  test('names the first line that is not UTF-8', () => {
    expect(decodeEnv(Buffer.from([0x41, 0x0a, 0x0a, 0xc3, 0x0a]))).toEqual({ ok: false, line: 3 });
    expect(decodeEnv(Buffer.from([0xff]))).toEqual({ ok: false, line: 1 });
  });
});
