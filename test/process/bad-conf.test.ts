import { mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cheapHash, Deployment, found, freshSecret, PATHS } from './deployment.ts';
import { expectSilent } from './silence.ts';
import { type Bad, fifo, instead, knownSecrets, survives } from './survives.ts';

let tree: Deployment;
beforeEach(() => {
  tree = new Deployment();
});
afterEach(() => tree.remove());

const posix = process.platform !== 'win32';

const layout = (text: string) => tree.write('comfyui-auth.yml', `version: 1\nservices:\n${text}`, 0o644);

describe('a conf', () => {
  const pair = () => `"raw_token": "${tree.password}", "bcrypt_hash": "${tree.bearer}"`;
  const confs: Bad[] = [
    {
      name: 'CRLF',
      plant: () => tree.write(PATHS.conf, tree.confText().replaceAll('\n', '\r\n')),
      sync: 'nothing to do',
    },
    {
      name: 'with a BOM',
      plant: () => tree.write(PATHS.conf, `\uFEFF${tree.confText()}`),
      sync: 'nothing to do',
    },
    {
      name: 'of shape B',
      plant: () => tree.write(PATHS.conf, tree.confText({ services: { 'comfyui-qwen': { locations: [] } } })),
      sync: 'nothing to do',
    },
    {
      name: 'with names that objects inherit',
      plant: () => tree.write(PATHS.conf, `{"__proto__": {"raw_token": "x"}, "constructor": 1, ${pair()}}`),
      sync: 'nothing to do',
    },
    {
      name: 'with odd locations',
      plant: () => tree.write(PATHS.conf, tree.confText({ locations: { a: 1 } })),
      sync: 'nothing to do',
    },
    {
      name: 'a field twice, the last one wrong',
      plant: () => tree.write(PATHS.conf, `{${pair()}, "bcrypt_hash": "${cheapHash(freshSecret())}"}`),
      env: () => ({ COMFYUI_PASSWORD: tree.password }),
      audit: [1, 'bearer-drift'],
      sync: 'mends',
    },
    {
      name: 'empty',
      plant: () => tree.write(PATHS.conf, ''),
      audit: [1, 'conf-malformed'],
      sync: [2, 'conf-malformed'],
    },
    {
      name: 'an array',
      plant: () => tree.write(PATHS.conf, '[]'),
      audit: [1, 'conf-malformed'],
      sync: [2, 'conf-malformed'],
    },
    {
      name: 'without fields',
      plant: () => tree.write(PATHS.conf, '{}'),
      audit: [1, 'key-missing'],
      sync: [2, 'credential-unknown'],
    },
    {
      name: 'with huge numbers for text',
      plant: () => tree.write(PATHS.conf, '{"raw_token": 1e999, "bcrypt_hash": 12345678901234567890}'),
      audit: [1, 'key-missing'],
      sync: [2, 'credential-unknown'],
    },
    {
      name: 'deeper than any stack',
      plant: () => tree.write(PATHS.conf, '{"a":'.repeat(100_000)),
      audit: [1, 'conf-malformed'],
      sync: [2, 'conf-malformed'],
    },
    {
      name: 'not UTF-8',
      plant: () =>
        tree.write(
          PATHS.conf,
          Buffer.concat([Buffer.from(`{"d": "`), Buffer.from([0xe9]), Buffer.from(`", ${pair()}}`)]),
        ),
      env: () => ({ COMFYUI_PASSWORD: freshSecret() }),
      audit: [1, 'conf-malformed'],
      sync: [2, 'conf-malformed'],
    },
    {
      name: 'in a folder that is a file',
      plant: () => {
        rmSync(tree.path('.secrets'), { recursive: true });
        tree.write('.secrets', '');
      },
      sync: 'nothing to do',
    },
  ];
  it.each(confs)('$name', (bad) => survives(tree, bad));

  it('cut off at each byte is malformed, and nothing is written', () => {
    const whole = Buffer.from(tree.confText());
    const services: string[] = [];
    for (let bytes = 0; bytes < whole.length - 1; bytes++) {
      tree.write(`c/${bytes}.conf`, whole.subarray(0, bytes));
      services.push(`  s${bytes}: { authority: c/${bytes}.conf }\n`);
    }
    layout(services.join(''));
    const before = tree.photograph();
    const audit = tree.run('audit');
    expect(found(audit, 'conf-malformed')).toHaveLength(whole.length - 1);
    const sync = tree.run('sync');
    expect([audit.code, sync.code]).toEqual([1, 2]);
    expectSilent(audit.stdout + audit.stderr + sync.stdout + sync.stderr, knownSecrets(tree));
    expect(tree.photograph()).toEqual(before);
  });
});

describe('a PASSWORD file', () => {
  const passwords: Bad[] = [
    {
      name: 'of one line',
      plant: () => tree.write(PATHS.password, tree.bearer),
      audit: [1, 'password-file-malformed', { hint: 'no-username' }],
      sync: 'mends',
    },
    {
      name: 'of three lines',
      plant: () => tree.write(PATHS.password, `${tree.bearer}\nadmin\nx`),
      audit: [0, 'password-file-malformed', { hint: 'extra-lines' }],
      sync: 'mends',
    },
    {
      name: 'CRLF',
      plant: () => tree.write(PATHS.password, `${tree.bearer}\r\nadmin`),
      audit: [1, 'password-file-malformed', { hint: 'crlf' }],
      sync: 'mends',
    },
    {
      name: 'empty',
      plant: () => tree.write(PATHS.password, ''),
      audit: [1, 'password-file-malformed', { hint: 'empty' }],
      sync: 'mends',
    },
    {
      name: 'missing though it is listed',
      plant: () =>
        instead(tree, PATHS.password, () =>
          tree.write(PATHS.conf, tree.confText({ locations: [{ path: `/x/${PATHS.password}` }] })),
        ),
      audit: [1, 'password-file-missing'],
      sync: 'mends',
    },
    {
      name: 'a folder',
      plant: () => instead(tree, PATHS.password, mkdirSync),
      audit: [1, 'not-a-file'],
      sync: [2, 'not-a-file'],
    },
  ];
  if (posix) {
    const link = (path: string) => symlinkSync(tree.path(PATHS.token), path);
    passwords.push(
      {
        name: 'a FIFO',
        plant: () => instead(tree, PATHS.password, fifo),
        audit: [1, 'not-a-file'],
        sync: [2, 'not-a-file'],
      },
      {
        name: 'a link',
        plant: () => instead(tree, PATHS.password, link),
        audit: [1, 'not-a-file'],
        sync: [2, 'not-a-file'],
      },
    );
  }
  it.each(passwords)('$name', (bad) => survives(tree, bad));
});
