import { spawnSync } from 'node:child_process';
import { chmodSync, linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import bcrypt from 'bcryptjs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cheapHash, Deployment, found, freshSecret, PATHS } from './deployment.ts';

let tree: Deployment;
beforeEach(() => {
  tree = new Deployment();
});
afterEach(() => tree.remove());

describe('what a plan is made from may change under it', () => {
  it('a password that changes before the lock is held gets its own bearer', () => {
    const [first, second] = [freshSecret(), freshSecret()];
    // The credential comes from the .env alone, and no bearer fits it: a new one has to be made.
    const folder = tree.path('plain');
    mkdirSync(folder);
    writeFileSync(join(folder, 'compose.yaml'), 'services: { comfy: { image: x } }\n');
    const env = join(folder, '.env');
    writeFileSync(env, `COMFYUI_PASSWORD=${first}\n`, { mode: 0o600 });
    const bin = tree.path('bin');
    mkdirSync(bin);
    const script = `#!/bin/sh\nsed -i 's/${first}/${second}/' '${env}'\nPATH=/usr/bin:/bin exec flock "$@"\n`;
    writeFileSync(join(bin, 'flock'), script);
    chmodSync(join(bin, 'flock'), 0o755);
    const ran = tree.runWith({ env: { PATH: `${bin}:${process.env.PATH}` } }, 'sync', '--root', folder);
    expect(ran.json.status).toBe('changed');
    const text = readFileSync(env, 'utf8');
    const hash = /COMFYUI_BEARER_TOKEN='(.*)'/.exec(text)?.[1] ?? '';
    expect(text).toContain(second);
    expect(bcrypt.compareSync(second, hash)).toBe(true);
  });
});

describe('sync says the cause', () => {
  it('of an authority that is cut off: the conf, not a missing secret', () => {
    tree.write(PATHS.conf, tree.confText().slice(0, -20));
    const ran = tree.run('sync');
    expect(found(ran, 'conf-malformed')).toHaveLength(1);
    expect(found(ran, 'credential-unknown')).toEqual([]);
  });

  it('of a hard link, already in the dry run, and makes no state folder', () => {
    tree.write(PATHS.token, cheapHash(freshSecret()));
    linkSync(tree.path(PATHS.token), tree.path('other-name'));
    const before = tree.photograph();
    for (const args of [['--dry-run'], []]) {
      const ran = tree.run('sync', ...args);
      expect(ran.json.error?.code).toBe('hard-link');
      expect(ran.code).toBe(2);
    }
    expect(tree.photograph()).toEqual(before);
  });

  it('of a variable that has no .env to go to', () => {
    tree.write(
      'x/comfyui-auth.yml',
      'version: 1\nservices: { a: { locations: [{ path: t, kind: token-file, holds: bearer }] } }\n',
    );
    tree.write('x/t', tree.bearer);
    const ran = tree.runWith(
      { env: { HF_TOKEN: freshSecret() } },
      'sync',
      '--root',
      tree.path('x'),
      '--variable',
      'HF_TOKEN',
    );
    expect(ran.json.error?.code).toBe('variable-homeless');
    expect(ran.code).toBe(2);
  });
});

it('audit names the lineage of the authority’s own bearer', () => {
  const web = freshSecret();
  tree.edit(PATHS.conf, tree.bearer, cheapHash(web));
  tree.edit(PATHS.env, `COMFYUI_PASSWORD=${tree.password}`, `COMFYUI_PASSWORD=${web}`);
  const lineage = found(tree.run('audit'), 'other-lineage').map((one) => one.location?.key);
  expect(lineage).toContain('bcrypt_hash');
});

it('a duplicate of an owned key goes, also where its value is not known', () => {
  const hash = cheapHash(freshSecret());
  tree.write('bearer', hash);
  tree.edit(PATHS.env, 'HF_TOKEN', `COMFYUI_PASSWORD=${tree.password}\nHF_TOKEN`);
  expect(tree.run('sync', '--bearer-file', tree.path('bearer')).json.status).toBe('changed');
  expect(tree.read(PATHS.env).match(/^COMFYUI_PASSWORD=/gm)).toHaveLength(1);
});

it('a template adds its keys with defaults and comments, and names those without', () => {
  tree.write('t/compose.yaml', 'services: { comfy: { image: x } }\n');
  tree.write('t/.env', `COMFYUI_PASSWORD=${tree.password}\n`);
  tree.write(
    't/.env.example',
    `# which card\nGPU_DEVICE_ID="0" # first\nHF_TOKEN=your_token_here\nCOMFYUI_PASSWORD=changeme\n`,
  );
  const ran = tree.run('sync', '--root', tree.path('t'));
  expect(found(ran, 'key-missing').map((one) => one.location?.key)).toEqual(['HF_TOKEN']);
  const env = { HF_TOKEN: freshSecret('hf_') };
  expect(tree.runWith({ env }, 'sync', '--root', tree.path('t'), '--variable', 'HF_TOKEN').json.status).toBe(
    'changed',
  );
  expect(tree.read('t/.env')).toContain('# which card\nGPU_DEVICE_ID=0\n');
  rmSync(tree.path('t/.env'));
});

it.skipIf(process.getuid?.() !== 0)('a login folder that sync makes can be entered by ComfyUI’s user', () => {
  const user = { uid: 65_533, gid: 65_533 };
  tree.write('o/t', tree.bearer);
  const layout = `owner: "${user.uid}:${user.gid}", locations: [{ path: t, kind: token-file, holds: bearer }, { path: ws/login/PASSWORD, kind: password-file }]`;
  tree.write('o/comfyui-auth.yml', `version: 1\nservices: { a: { authority: t, ${layout} } }\n`);
  chmodSync(tree.root, 0o711);
  chmodSync(tree.path('o'), 0o711);
  expect(tree.run('sync', '--root', tree.path('o')).json.status).toBe('changed');
  const read = spawnSync('cat', [tree.path('o/ws/login/PASSWORD')], { ...user, encoding: 'utf8' });
  expect(read.stdout).toBe(`${tree.bearer}\nadmin`);
  chmodSync(tree.path('o/ws'), 0o700);
  spawnSync('chown', ['0:0', tree.path('o/ws')]);
  const ran = tree.run('audit', '--root', tree.path('o'));
  expect(found(ran, 'owner-wrong').map((one) => one.severity)).toEqual(['critical']);
});
