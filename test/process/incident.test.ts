import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cheapHash, Deployment, found, freshSecret, PATHS } from './deployment.ts';

// Each cause of the incident (domain.md §1) that shows in files, planted alone in a tree that is healthy otherwise.
describe('audit names each cause of the incident', () => {
  let tree: Deployment;
  beforeEach(() => {
    tree = new Deployment();
  });
  afterEach(() => tree.remove());

  it('finds nothing in the healthy tree', () => {
    const ran = tree.run('audit');
    expect(ran.json.findings).toEqual([]);
    expect(ran.json.status).toBe('clean');
    expect(ran.json.services[0].pair).toBe('verified');
    expect(ran.code).toBe(0);
  });

  it('I1: a copy of the hash that disagrees', () => {
    tree.write(PATHS.token, cheapHash(freshSecret()));
    const ran = tree.run('audit');
    expect(found(ran, 'bearer-drift')).toHaveLength(1);
    expect(found(ran, 'bearer-drift')[0]?.location?.path).toBe(tree.path(PATHS.token));
    expect(ran.code).toBe(1);
  });

  it('I2: 61 characters, one of them doubled', () => {
    const at = 41;
    tree.write(PATHS.token, tree.bearer.slice(0, at) + tree.bearer[at - 1] + tree.bearer.slice(at));
    const [finding] = found(tree.run('audit'), 'bearer-malformed');
    expect(finding?.args).toEqual({ length: 61, hint: 'doubled-character' });
  });

  it('I2: 61 characters is proven by the password where no other copy is left', () => {
    const bad = `${tree.bearer.slice(0, 30)}${tree.bearer[29]}${tree.bearer.slice(30)}`;
    for (const path of [PATHS.token, PATHS.tokenCopy, PATHS.password, PATHS.rootEnv]) rmSync(tree.path(path));
    tree.write(PATHS.conf, tree.confText({ bcrypt_hash: bad }));
    tree.write(PATHS.env, tree.envText(`'${bad}'`));
    const hints = found(tree.run('audit'), 'bearer-malformed').map((one) => one.args.hint);
    expect(hints).toEqual(['doubled-character', 'doubled-character']);
  });

  it('I2: 63 characters', () => {
    tree.edit(PATHS.conf, tree.bearer, `${tree.bearer}abc`);
    const [finding] = found(tree.run('audit'), 'bearer-malformed');
    expect(finding?.args.length).toBe(63);
    expect(finding?.location).toMatchObject({ key: 'bcrypt_hash', line: 5 });
  });

  it('I3: a hash that another known password opens', () => {
    const web = freshSecret();
    tree.write(PATHS.token, cheapHash(web));
    tree.edit(PATHS.rootEnv, tree.password, web);
    const [finding] = found(tree.run('audit'), 'other-lineage');
    expect(finding?.location?.path).toBe(tree.path(PATHS.token));
    expect(finding?.args.verifies).toContain('COMFYUI_RAW_TOKEN');
  });

  it('I4: a value that Compose mangles, with what it would hand over', () => {
    tree.write(PATHS.env, tree.envText(tree.bearer));
    const finding = found(tree.run('audit'), 'value-mangled').find((one) =>
      String(one.args.reader).startsWith('compose'),
    );
    expect(finding?.args.wrote).toBe(60);
    expect(finding?.args.receives).toBeLessThan(60);
    expect(finding?.location).toMatchObject({ key: 'COMFYUI_BEARER_TOKEN', line: 6 });
  });

  it('I9: a key that vanished', () => {
    tree.edit(PATHS.env, /CIVITAI_TOKEN=.*\n/, '');
    expect(found(tree.run('audit'), 'key-missing')[0]?.location?.key).toBe('CIVITAI_TOKEN');
  });

  it('I9: a placeholder in the place of a real token', () => {
    tree.edit(PATHS.env, tree.secrets.hf, 'HF_TOKEN_REDACTED');
    const [finding] = found(tree.run('audit'), 'placeholder');
    expect(finding).toMatchObject({ severity: 'error', location: { key: 'HF_TOKEN' } });
  });

  it('I9: the file that disappeared', () => {
    rmSync(tree.path(PATHS.env));
    expect(found(tree.run('audit'), 'file-missing')[0]?.location?.path).toBe(tree.path(PATHS.env));
  });

  it('I11: KEY=KEY=value', () => {
    tree.write(PATHS.env, tree.envText(`'COMFYUI_BEARER_TOKEN=${tree.bearer}'`));
    expect(found(tree.run('audit'), 'bearer-malformed')[0]?.args.hint).toBe('key-repeated');
  });

  it('I12: a secret that git tracks', () => {
    for (const args of [
      ['init', '-q'],
      ['add', '-f', PATHS.env],
    ]) {
      expect(spawnSync('git', ['-C', tree.root, ...args]).status).toBe(0);
    }
    const tracked = found(tree.run('audit'), 'tracked-by-git');
    expect(tracked.map((one) => one.location?.path)).toEqual([tree.path(PATHS.env)]);
  });

  it('I12: a file that every user can read', () => {
    tree.write(PATHS.token, tree.bearer, 0o644);
    const [finding] = found(tree.run('audit'), 'mode-too-open');
    expect(finding).toMatchObject({ severity: 'warning', args: { mode: '0644' } });
  });

  it('I10: two syncs keep the bearer', () => {
    tree.write(PATHS.token, cheapHash(freshSecret()));
    expect(tree.run('sync').json.status).toBe('changed');
    expect(tree.read(PATHS.token)).toBe(tree.bearer);
    expect(tree.run('sync').json.status).toBe('unchanged');
    expect(tree.read(PATHS.token)).toBe(tree.bearer);
  });
});

it('computes nothing with a hash that would take days, and says so', () => {
  const tree = new Deployment();
  tree.write(PATHS.token, tree.bearer.replace('$04$', '$31$'));
  const ran = tree.run('audit');
  expect(found(ran, 'bearer-costly').map((one) => one.args)).toEqual([{ cost: 31 }]);
  expect(tree.run('sync').json.status).toBe('changed');
  expect(tree.read(PATHS.token)).toBe(tree.bearer);
  tree.remove();
});

describe('a finding', () => {
  it('names its place, and a command that exists', () => {
    const tree = new Deployment();
    tree.write(PATHS.token, cheapHash(freshSecret()));
    const [finding] = found(tree.run('audit'), 'bearer-drift');
    expect(finding?.message).toContain(PATHS.token);
    expect(finding?.remedy).toMatch(/^comfyui-auth sync /);
    tree.remove();
  });
});
