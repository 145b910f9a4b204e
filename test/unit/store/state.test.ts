import { chmodSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { makeStateFolder, stateFolder } from '../../../src/store/state.ts';
import { failureOf, scratch } from './scratch.ts';

describe('stateFolder', () => {
  it('lies in the root, unless the environment names another place', () => {
    expect(stateFolder('/srv/app', {}).path).toBe('/srv/app/.comfyui-auth');
    expect(stateFolder('/srv/app', { COMFYUI_AUTH_STATE: '/var/lib/x' }).path).toBe('/var/lib/x');
    expect(stateFolder('/srv/app', { COMFYUI_AUTH_STATE: '' }).path).toBe('/srv/app/.comfyui-auth');
  });

  it.each(['state', './state', '../state', '~/state'])('is not named by the relative path %s', (named) => {
    expect(failureOf(() => stateFolder('/srv/app', { COMFYUI_AUTH_STATE: named }))).toMatchObject({
      code: 'state-folder',
      exit: 2,
    });
  });

  it('lies outside the workspace of a job, in one place a root', () => {
    const workspace = scratch();
    const inside = join(workspace, 'app');
    mkdirSync(inside);
    const env = { GITHUB_WORKSPACE: workspace, XDG_STATE_HOME: '/state' };
    const { path } = stateFolder(inside, env);
    expect(path).toMatch(/^\/state\/comfyui-auth\/[0-9a-f]{16}$/);
    expect(stateFolder(inside, env).path).toBe(path);
    expect(stateFolder(workspace, env).path).not.toBe(path);
    expect(stateFolder(inside, { GITHUB_WORKSPACE: workspace, HOME: '/home/x' }).path).toMatch(
      /^\/home\/x\/\.local\/state\/comfyui-auth\//,
    );
    expect(stateFolder(`${workspace}-beside`, env).path).toBe(`${workspace}-beside/.comfyui-auth`);
  });

  it('sees through a link into the workspace', () => {
    const folder = scratch();
    mkdirSync(join(folder, 'workspace'));
    symlinkSync('workspace', join(folder, 'link'));
    const env = { GITHUB_WORKSPACE: join(folder, 'workspace'), XDG_STATE_HOME: '/state' };
    expect(stateFolder(join(folder, 'link'), env).path).toMatch(/^\/state\//);
  });
});

describe('makeStateFolder', () => {
  it('is for its owner alone, and hidden from git', () => {
    const state = { path: join(scratch(), 'deep', 'state') };
    makeStateFolder(state);
    expect(statSync(state.path).mode & 0o777).toBe(0o700);
    expect(readFileSync(join(state.path, '.gitignore'), 'utf8')).toBe('*\n');
  });

  it('closes one that is open to others, and completes an interrupted one', () => {
    const state = { path: join(scratch(), 'state') };
    mkdirSync(state.path);
    chmodSync(state.path, 0o755);
    writeFileSync(join(state.path, '.gitignore'), '');
    makeStateFolder(state);
    expect(statSync(state.path).mode & 0o777).toBe(0o700);
    expect(readFileSync(join(state.path, '.gitignore'), 'utf8')).toBe('*\n');
  });

  it('is no folder that holds something of others: closing it would take it away from them', () => {
    const path = scratch();
    chmodSync(path, 0o777);
    writeFileSync(join(path, 'theirs'), '');
    const refused = () => {
      expect(failureOf(() => makeStateFolder({ path }))).toMatchObject({ code: 'state-folder', exit: 2 });
      expect(statSync(path).mode & 0o777).toBe(0o777);
    };
    refused();
    writeFileSync(join(path, '.gitignore'), '*.log\n');
    refused();
    writeFileSync(join(path, '.gitignore'), '*\n');
    makeStateFolder({ path });
    expect(statSync(path).mode & 0o777).toBe(0o700);
  });

  it('is not put where a link leads', () => {
    const folder = scratch();
    mkdirSync(join(folder, 'elsewhere'));
    symlinkSync('elsewhere', join(folder, 'state'));
    expect(failureOf(() => makeStateFolder({ path: join(folder, 'state') }))).toMatchObject({
      code: 'state-folder',
      exit: 2,
    });
  });
});
