import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { LOGIN_NODE } from '../../src/stand-in/tree.ts';
import { call, form } from './call.ts';
import { freshPair, readsEverything, Stage, statusOf, statusWith } from './stage.ts';
import { subjects } from './subjects.ts';

const KEY = `${Buffer.alloc(32, 7).toString('base64url')}=`;
const daysAgo = (days: number) => new Date(Date.now() - days * 86_400_000).toISOString().slice(0, 19);

function replaceByFolder(path: string) {
  rmSync(path);
  mkdirSync(path);
}

describe.each(subjects)('$name: what stands in its files', (subject) => {
  const stage = new Stage(subject);
  const login = async (url: string, password: string) => {
    const { status, location } = await call(`${url}/login`, form({ username: 'admin', password }));
    return [status, location];
  };

  it.each([
    ['CRLF', (hash: string) => `${hash}\r\nadmin`],
    ['a blank at the end', (hash: string) => `${hash} \nadmin`],
  ])('%s in line 1: the bearer is good, the form never', async (_, content) => {
    const { hash, password } = freshPair();
    stage.write(content(hash), '');
    const { url } = await stage.start();
    expect(await statusWith(`${url}/system_stats`, hash)).toBe(200);
    expect(await login(url, password)).toEqual([302, '/login?wrong_password=1']);
  });

  it('a BOM: neither is good', async () => {
    const { hash, password } = freshPair();
    stage.write(`\uFEFF${hash}`);
    const { url } = await stage.start();
    expect(await statusWith(`${url}/system_stats`, hash)).toBe(stage.closed);
    expect(await login(url, password)).toEqual([500, undefined]);
  });

  it('a hash of 59 or 61 characters: good as the bearer, never in the form', async () => {
    const { hash, password } = freshPair();
    for (const wrong of [hash.slice(0, 59), `${hash}x`]) {
      stage.write(wrong);
      const server = await stage.start();
      expect(await statusWith(`${server.url}/system_stats`, wrong)).toBe(200);
      expect(await login(server.url, password)).toEqual([302, '/login?wrong_password=1']);
      await stage.stop(server);
    }
  });

  it('no hash at all: good as the bearer, the form falls over', async () => {
    stage.write('plain-text');
    const { url } = await stage.start();
    expect(await statusWith(`${url}/system_stats`, 'plain-text')).toBe(200);
    expect(await login(url, 'plain-text')).toEqual([500, undefined]);
  });

  it.each(['', '\nadmin', ' \nadmin'])(
    'an empty first line (%j): ?token= opens everything',
    async (content) => {
      writeFileSync(stage.passwordPath, content);
      const { url } = await stage.start();
      expect(await statusOf(`${url}/system_stats`)).toBe(stage.closed);
      expect(await statusOf(`${url}/system_stats?token=`)).toBe(200);
      expect(await statusOf(`${url}/api/queue?token=`)).toBe(200);
    },
  );

  it('an empty PASSWORD is read again until it is not', async () => {
    const { hash } = freshPair();
    const { url } = await stage.start();
    expect(await statusWith(`${url}/system_stats`, hash)).toBe(stage.closed);
    stage.write(hash);
    expect(await statusWith(`${url}/system_stats`, hash)).toBe(200);
    stage.write(freshPair().hash);
    expect(await statusWith(`${url}/system_stats`, hash)).toBe(200);
  });

  it('an old PASSWORD replaces the one in login/', async () => {
    const [current, old] = [freshPair(), freshPair()];
    stage.write(current.hash);
    writeFileSync(join(stage.dir, 'PASSWORD'), `${old.hash}\nadmin`);
    const { url } = await stage.start();
    expect(existsSync(join(stage.dir, 'PASSWORD'))).toBe(false);
    expect(readFileSync(stage.passwordPath, 'utf8')).toBe(`${old.hash}\nadmin`);
    expect(await statusWith(`${url}/system_stats`, current.hash)).toBe(stage.closed);
    expect(await statusWith(`${url}/system_stats`, old.hash)).toBe(200);
  });

  it('makes login/ and the cookie key where they are missing', async () => {
    rmSync(join(stage.dir, 'login'), { recursive: true });
    await stage.start();
    expect(existsSync(join(stage.dir, 'login'))).toBe(true);
    expect(readFileSync(stage.keyPath, 'utf8')).toMatch(
      /^[\w-]{43}=,\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?$/,
    );
  });

  it('renews a cookie key of more than 30 days, and keeps a younger one', async () => {
    stage.write(freshPair().hash);
    const young = `${KEY},${daysAgo(28)}`;
    writeFileSync(stage.keyPath, young);
    await stage.stop(await stage.start());
    expect(readFileSync(stage.keyPath, 'utf8')).toBe(young);
    writeFileSync(stage.keyPath, `${KEY},${daysAgo(32)}`);
    await stage.stop(await stage.start());
    expect(readFileSync(stage.keyPath, 'utf8')).not.toContain(KEY);
  });

  it.each<[string, () => void]>([
    ['PASSWORD is not UTF-8', () => writeFileSync(stage.passwordPath, Buffer.from([0x24, 0xff, 0x0a]))],
    ['PASSWORD is a folder', () => replaceByFolder(stage.passwordPath)],
    ['the cookie key is empty', () => writeFileSync(stage.keyPath, '')],
    ['the key’s date has a time zone', () => writeFileSync(stage.keyPath, `${KEY},${daysAgo(1)}+00:00`)],
    ['the key file ends in a line end', () => writeFileSync(stage.keyPath, `${KEY},${daysAgo(1)}\n`)],
    ['the key is no Fernet key', () => writeFileSync(stage.keyPath, `short,${daysAgo(1)}`)],
    ['the key file is a folder', () => mkdirSync(stage.keyPath)],
    ['the node is disabled', () => rename('.disabled')],
    ['the node is missing', () => rmSync(join(stage.dir, LOGIN_NODE), { recursive: true })],
    ['the node has no __init__.py', () => rmSync(join(stage.dir, LOGIN_NODE, '__init__.py'))],
  ])('starts open where %s', async (_, damage) => {
    stage.write(freshPair().hash);
    damage();
    const { url } = await stage.start();
    for (const path of ['/system_stats', '/api/queue', '/internal/logs']) {
      expect([path, await statusOf(url + path)]).toEqual([path, 200]);
    }
  });

  it.skipIf(readsEverything()).each<[string, () => void]>([
    ['PASSWORD cannot be read', () => chmodSync(stage.passwordPath, 0)],
    ['login/ cannot be entered', () => chmodSync(join(stage.dir, 'login'), 0)],
    [
      'the node’s folder cannot be written, and has no key',
      () => chmodSync(join(stage.dir, LOGIN_NODE), 0o555),
    ],
  ])('starts open where %s', async (_, damage) => {
    stage.write(freshPair().hash);
    damage();
    try {
      const { url } = await stage.start();
      expect(await statusOf(`${url}/system_stats`)).toBe(200);
    } finally {
      for (const path of ['login', LOGIN_NODE]) chmodSync(join(stage.dir, path), 0o700);
    }
  });

  it.each([
    ['--disable-all-custom-nodes', () => ['--disable-all-custom-nodes'], 200],
    ['--base-directory', () => ['--base-directory', join(stage.dir, 'elsewhere')], 200],
    ['a whitelist', () => ['--disable-all-custom-nodes', '--whitelist-custom-nodes', 'ComfyUI-Login'], 401],
  ])('with %s is open or not', async (_, flags, expected) => {
    stage.write(freshPair().hash);
    const { url } = await stage.start(flags());
    expect(await statusOf(`${url}/system_stats`)).toBe(expected === 401 ? stage.closed : expected);
  });

  it('with --base-directory loads the node there, and still reads PASSWORD here', async () => {
    const { hash } = freshPair();
    stage.write(hash);
    const base = join(stage.dir, 'elsewhere');
    subject.lay(base);
    const { url } = await stage.start(['--base-directory', base]);
    expect(await statusOf(`${url}/system_stats`)).toBe(stage.closed);
    expect(await statusWith(`${url}/system_stats`, hash)).toBe(200);
  });

  function rename(suffix: string) {
    const folder = join(stage.dir, LOGIN_NODE);
    renameSync(folder, folder + suffix);
  }
});
