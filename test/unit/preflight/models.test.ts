import { spawnSync } from 'node:child_process';
import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { models, readPreflightSettings } from '../../../entrypoint/preflight/models.ts';
import { lay, look, world } from './world.ts';

/** A safetensors file of two tensors, together 12 bytes. */
function safetensors(tail = 12): Buffer {
  const header = Buffer.from(
    JSON.stringify({
      __metadata__: { note: '{"data_offsets":[0,999]}' },
      a: { dtype: 'F16', shape: [4], data_offsets: [0, 8] },
      b: { dtype: 'F16', shape: [2], data_offsets: [8, 12] },
    }),
  );
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  return Buffer.concat([length, header, Buffer.alloc(tail)]);
}

const GOOD = 'vae/good.safetensors';

/** A ComfyUI with one good model, and what a test adds. */
function stage(list: string, files: Record<string, string | Buffer> = {}, options: string[] = []) {
  const at = world({ env: { MODELS_REQUIRED: list }, options });
  for (const [name, content] of Object.entries({ [GOOD]: safetensors(), ...files }))
    lay(join(at.comfyui, 'models', name), content);
  return at;
}

test('unset: nothing is looked for', async () => {
  expect(await look(models, world())).toMatchObject({ verdict: 'skip' });
  expect(readPreflightSettings({})).toEqual({ modelsRequired: [] });
});

test('names are words of a shell', () => {
  expect(readPreflightSettings({ MODELS_REQUIRED: ` a/b.pt\n'c d.pt' ` })).toEqual({
    modelsRequired: ['a/b.pt', 'c d.pt'],
  });
});

describe('a model that is there and whole', () => {
  test.each<[string, string | Buffer]>([
    ['vae/one.safetensors', safetensors()],
    ['vae/two.ckpt', 'PK\u0003\u0004…'],
    ['config/three.json', '{"model": 1}'],
  ])('%s', async (name, content) => {
    expect(await look(models, stage(`${GOOD} ${name}`, { [name]: content }))).toMatchObject({
      verdict: 'pass',
    });
  });

  test('a folder, a link, and an absolute path', async () => {
    const at = stage('diffusers/some\nvae/link.safetensors', {
      'diffusers/some/x.json': 'x',
    });
    symlinkSync(join(at.comfyui, 'models', GOOD), join(at.comfyui, 'models/vae/link.safetensors'));
    expect(await look(models, at)).toMatchObject({ verdict: 'pass' });
    const elsewhere = lay(join(at.folder, 'elsewhere', 'm.safetensors'), safetensors());
    expect(await look(models, { ...at, env: { MODELS_REQUIRED: elsewhere } })).toMatchObject({
      verdict: 'pass',
    });
  });

  test('below --base-directory', async () => {
    const at = world({ options: ['--base-directory', '../data'] });
    lay(join(at.folder, 'data/models', GOOD), safetensors());
    expect(await look(models, { ...at, env: { MODELS_REQUIRED: GOOD } })).toMatchObject({ verdict: 'pass' });
  });
});

describe('a model that ComfyUI could not load is refused, by its name and with the reason', () => {
  const whole = safetensors();
  test.each<[string, string, Record<string, string | Buffer>]>([
    ['is not there', 'vae/x.safetensors', {}],
    ['did not end (.part)', 'vae/x.safetensors', { 'vae/x.safetensors.part': whole }],
    ['did not end (.incomplete)', 'vae/x.pt', { 'vae/x.pt.incomplete': 'x' }],
    ['.aria2 beside it', 'vae/x.pt', { 'vae/x.pt': 'x', 'vae/x.pt.aria2': 'x' }],
    ['is empty', 'vae/x.safetensors', { 'vae/x.safetensors': '' }],
    [
      'pointer of Git LFS',
      'vae/x.safetensors',
      { 'vae/x.safetensors': 'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12\n' },
    ],
    ['web page', 'vae/x.safetensors', { 'vae/x.safetensors': '<!DOCTYPE html><title>Sign in</title>' }],
    ['web page', 'vae/x.ckpt', { 'vae/x.ckpt': '{"error":"Unauthorized"}' }],
    ['is cut off: 5 bytes', 'vae/x.safetensors', { 'vae/x.safetensors': whole.subarray(0, 5) }],
    ['cut off in its header', 'vae/x.safetensors', { 'vae/x.safetensors': whole.subarray(0, 40) }],
    [
      `is not whole: ${whole.length - 5} bytes of ${whole.length}`,
      'vae/x.safetensors',
      { 'vae/x.safetensors': safetensors(7) },
    ],
    ['is not whole', 'vae/x.sft', { 'vae/x.sft': safetensors(13) }],
    [
      'no safetensors file',
      'vae/x.safetensors',
      { 'vae/x.safetensors': 'PK\u0003\u0004 some other archive' },
    ],
    [
      'header that cannot be read',
      'vae/x.safetensors',
      { 'vae/x.safetensors': Buffer.from('\u0004\0\0\0\0\0\0\0{no}', 'latin1') },
    ],
  ])('%s: %s', async (reason, name, files) => {
    const result = await look(models, stage(`${GOOD} ${name}`, files));
    expect(result).toMatchObject({ verdict: 'fail', severity: 'error' });
    expect(result.message).toContain('1 of 2 models');
    expect(result.message).toContain(`${name} `);
    expect(result.message).toContain(reason);
    expect(result.message).not.toContain(GOOD);
  });

  test('an empty folder', async () => {
    const at = stage('diffusers/some');
    mkdirSync(join(at.comfyui, 'models/diffusers/some'), { recursive: true });
    expect((await look(models, at)).message).toContain('is an empty folder');
  });

  test('many are counted', async () => {
    const result = await look(models, stage('a b c d e f g'));
    expect(result.message).toContain('7 of 7');
    expect(result.message).toContain('and 2 more');
  });
});

describe('a list in a file', () => {
  test('one path a line, with comments, blanks in names and line ends of Windows', async () => {
    const at = stage('@list.txt', { 'loras/my lora.pt': 'x' });
    lay(join(at.comfyui, 'list.txt'), `\uFEFF# what we need\r\n\r\n${GOOD}\r\nloras/my lora.pt\r\n`);
    expect(await look(models, at)).toMatchObject({ verdict: 'pass' });
    lay(join(at.comfyui, 'list.txt'), `${GOOD}\nloras/other lora.pt\n`);
    expect((await look(models, at)).message).toContain('loras/other lora.pt is not there');
  });

  test.skipIf(process.platform === 'win32')('a FIFO in its place does not hold up the boot', async () => {
    const at = stage('@list.txt');
    expect(spawnSync('mkfifo', [join(at.comfyui, 'list.txt')]).status).toBe(0);
    expect(await look(models, at)).toMatchObject({
      code: 'setting-invalid',
      message: expect.stringContaining('list.txt, which is a FIFO'),
    });
  });

  test('a list that is not there', async () => {
    expect(await look(models, stage('@/nowhere/list.txt'))).toMatchObject({
      verdict: 'fail',
      exit: 78,
      code: 'setting-invalid',
    });
  });
});

test.each(['../../etc/passwd', 'vae/../../x', '"open'])('%s is no such path', async (list) => {
  const result = await look(models, stage(list));
  expect(result).toMatchObject({ verdict: 'fail', exit: 78, code: 'setting-invalid' });
  expect(result.message).toMatch(/leads out of models|never closed/);
});
