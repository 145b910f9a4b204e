import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type Changes, restartActionFor } from '../../../src/service/action.ts';
import type { Container, ContainerStatus } from '../../../src/service/container.ts';

const MADE = new Date('2026-03-01T12:00:00Z');
const [BEFORE, LATER] = [new Date(MADE.getTime() - 1), new Date(MADE.getTime() + 1)];

let root: string;
beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'comfyui-auth-action-')));
  for (const folder of ['workspace/login', 'secrets', 'elsewhere']) {
    mkdirSync(join(root, folder), { recursive: true });
  }
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const at = (path: string) => join(root, path);

function container(sources: string[] = [], status: ContainerStatus = 'running', createdAt = MADE): Container {
  return {
    id: 'a'.repeat(64),
    name: 'one',
    status,
    createdAt,
    exitCode: 0,
    outOfMemory: false,
    restarts: 0,
    mounts: sources.map((source) => ({ type: 'bind', source, destination: '/there' })),
    ports: [],
    env: new Map(),
  };
}

const action = (changed: string[], more: Partial<Changes> = {}) =>
  restartActionFor({
    changed: changed.map(at),
    envFiles: [at('.env')],
    composeFile: at('docker-compose.yml'),
    containers: [container([at('workspace'), at('secrets/a.token')])],
    mtimeOf: () => BEFORE,
    ...more,
  });

it.each([
  ['an env file', ['.env'], 'recreate'],
  ['the compose file', ['docker-compose.yml'], 'recreate'],
  ['a mounted file itself', ['secrets/a.token'], 'recreate'],
  ['a file in a mounted folder', ['workspace/login/PASSWORD'], 'restart'],
  ['a file beside a mounted one', ['secrets/a.token.old'], 'none'],
  ['a file beside a mounted folder', ['workspace.conf'], 'none'],
  ['several: the strongest wins', ['elsewhere/x', 'workspace/login/PASSWORD', '.env'], 'recreate'],
  ['several without the strongest', ['elsewhere/x', 'workspace/login/PASSWORD'], 'restart'],
] as const)('%s', (_, changed, expected) => {
  expect(action([...changed])).toBe(expected);
});

it.each(['.env', 'docker-compose.yml'])('%s is newer than the container: it is made anew', (file) => {
  const mtimeOf = (path: string) => (path === at(file) ? LATER : BEFORE);
  expect(action(['workspace/login/PASSWORD'], { mtimeOf })).toBe('recreate');
  expect(action(['elsewhere/x'], { mtimeOf })).toBe('recreate');
});

it('the oldest of several containers counts', () => {
  const containers = [container([], 'running', LATER), container([], 'running', BEFORE)];
  expect(action(['elsewhere/x'], { containers, mtimeOf: () => MADE })).toBe('recreate');
});

it.each(['created', 'exited', 'dead', 'paused'] as const)(
  'a service whose containers are %s is made anew, whatever changed',
  (status) => {
    expect(action(['elsewhere/x'], { containers: [container([], status)] })).toBe('recreate');
  },
);

it('a service without a container is made, one that ends again and again runs', () => {
  expect(action(['elsewhere/x'], { containers: [] })).toBe('recreate');
  expect(action(['elsewhere/x'], { containers: [container([], 'restarting')] })).toBe('none');
});

it('links lead to what they name, on either side', () => {
  writeFileSync(at('elsewhere/real.env'), '');
  symlinkSync(at('elsewhere/real.env'), at('.env'));
  expect(action(['elsewhere/real.env'])).toBe('recreate');
  symlinkSync(at('workspace'), at('linked'));
  expect(action(['linked/login/PASSWORD'])).toBe('restart');
  // Neither the file nor its folder is there yet.
  expect(action(['linked/new/PASSWORD'])).toBe('restart');
  const containers = [container([at('linked')])];
  expect(action(['workspace/login/PASSWORD'], { containers })).toBe('restart');
});
