import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { environmentSigns } from '../../../entrypoint/preflight/environment-signs.ts';
import { memory } from '../../../entrypoint/preflight/memory.ts';
import { processOne } from '../../../entrypoint/preflight/process-one.ts';
import { timeZone } from '../../../entrypoint/preflight/time-zone.ts';
import { lay, look, world } from './world.ts';

describe('env-mangling', () => {
  test.each([
    ['QUOTED', '"value"', 'in quotes'],
    ['QUOTED', "'value'", 'in quotes'],
    ['TWICE', 'TWICE=value', 'its own name'],
    ['WINDOWS', 'value\r', 'CR'],
    ['DOUBLED', 'a$$b', '$$'],
    ['UNFILLED', `/data/\${FOLDER}`, 'refers to another variable'],
    ['UNFILLED', `\${FOLDER:-/data}`, 'refers to another variable'],
    ['HF_TOKEN', 'HF_TOKEN_REDACTED', 'placeholder'],
    ['CIVITAI_TOKEN', 'your_token_here', 'placeholder'],
    ['CUDA_VISIBLE_DEVICES', '0 # the first', 'a comment'],
    ['\uFEFFHF_TOKEN', 'fine', 'BOM'],
  ])('%j=%j is named, and its value is not shown', async (name, value, words) => {
    const result = await look(environmentSigns, world({ env: { [name]: value } }));
    expect(result).toMatchObject({ verdict: 'fail', severity: 'warning' });
    expect(result.message).toContain(`${name.replace('\uFEFF', '')} `);
    expect(result.message).toContain(words);
    expect(JSON.stringify(result)).not.toContain(JSON.stringify(value).slice(1, -1));
  });

  test.each([
    ['PLAIN', 'value'],
    ['HF_TOKEN', 'hf-looks-like-one'],
    ['PATH', '/usr/bin:/bin'],
    ['ONE_QUOTE', '"'],
    ['A', '"a" and "b'],
    ['PRICE', '$5'],
    ['PS1', '$$ \\u'],
    ['EMPTY', ''],
    // Of the credential: judged where it is read, and nothing of its shape is told here.
    ['COMFYUI_PASSWORD', '"quoted"'],
    ['COMFYUI_BEARER_TOKEN', '$$2b$$12$$'],
    ['SECRET_KEY', 'x\r'],
  ])('%s=%j is nothing to speak of', async (name, value) => {
    expect(await look(environmentSigns, world({ env: { [name]: value } }))).toMatchObject({
      verdict: 'pass',
    });
  });

  test('a name that cannot be one is not shown, and many are counted', async () => {
    const env = Object.fromEntries(Array.from({ length: 12 }, (_, at) => [`V${at}`, '"x"']));
    const { message } = await look(environmentSigns, world({ env: { ...env, 'hunter2 secret': 'a\r' } }));
    expect(message).toContain('and 5 more');
    expect(message).not.toContain('hunter2');
    const alone = await look(environmentSigns, world({ env: { 'hunter2 secret': 'a\r' } }));
    expect(alone.message).toContain('without a proper name');
  });
});

describe('pid1', () => {
  test.each([
    [1, 'node\0entrypoint\0', 'fail'],
    [1, '', 'fail'],
    [7, '/usr/local/bin/node\0entrypoint\0', 'fail'],
    [7, '/usr/bin/tini\0-s\0--\0node\0', 'pass'],
    [7, '/sbin/docker-init\0--\0', 'pass'],
    [7, '', 'unknown'],
  ])('our process %i, process 1 %j: %s', async (pid, cmdline, verdict) => {
    const at = world({ pid });
    lay(join(at.root, 'proc/1/cmdline'), cmdline);
    expect(await look(processOne, at)).toMatchObject({ verdict, severity: 'warning' });
  });
});

describe('time-zone', () => {
  test.each([
    [undefined, 'skip'],
    ['Europe/Paris', 'pass'],
    [':Europe/Paris', 'pass'],
    ['/etc/localtime', 'pass'],
    ['UTC', 'pass'],
    ['CET-1CEST,M3.5.0,M10.5.0/3', 'pass'],
    ['<+03>-3', 'pass'],
    ['Europe/Atlantis', 'fail'],
    ['Europe', 'fail'],
    ['Paris', 'fail'],
  ])('TZ=%s: %s', async (zone, verdict) => {
    const at = world(zone === undefined ? {} : { env: { TZ: zone } });
    lay(join(at.root, 'usr/share/zoneinfo/Europe/Paris'));
    lay(join(at.root, 'etc/localtime'));
    expect(await look(timeZone, at)).toMatchObject({ verdict, severity: 'warning' });
  });

  test('an image without time zones is told so', async () => {
    const at = { ...world({ env: { TZ: 'Europe/Paris' } }), root: '/nowhere-at-all' };
    expect((await look(timeZone, at)).message).toContain('the image has no time zones');
  });
});

describe('memory', () => {
  const GIB = 1024 ** 3;
  test.each([
    ['sys/fs/cgroup/memory.max', `${2 * GIB}\n`, 'fail', '2.0 GiB by the limit'],
    ['sys/fs/cgroup/memory.max', 'max\n', 'pass', '62.0 GiB'],
    ['sys/fs/cgroup/memory.max', `${8 * GIB}\n`, 'pass', '8.0 GiB'],
    ['sys/fs/cgroup/memory/memory.limit_in_bytes', `${GIB}\n`, 'fail', '1.0 GiB'],
    ['sys/fs/cgroup/memory/memory.limit_in_bytes', '9223372036854771712\n', 'pass', '62.0 GiB'],
  ])('%s = %j: %s', async (path, text, verdict, words) => {
    const at = world();
    lay(join(at.root, path), text);
    const result = await look(memory, at);
    expect(result).toMatchObject({ verdict, severity: 'info' });
    expect(result.message).toContain(words);
  });

  test('unknown where nothing tells', async () => {
    expect(await look(memory, { ...world(), root: '/nowhere-at-all' })).toMatchObject({ verdict: 'unknown' });
  });
});
