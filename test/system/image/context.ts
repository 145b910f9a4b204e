import { execFileSync } from 'node:child_process';
import { copyFileSync, cpSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { PARTS, REQUIREMENTS } from '../docker/parts.ts';

const project = resolve(import.meta.dirname, '..', '..', '..');

/** What the image's build takes from the project's root. */
const COPIED = ['.dockerignore', 'LICENSE', 'dist', 'image'];

/** The login node in the image: the one that COMFYUI_LOGIN_DIR names, else the one of these tests. */
export const loginNode = process.env.COMFYUI_LOGIN_DIR ?? join(import.meta.dirname, 'login-node');

/** What lies about in a deployment, and must not come along. */
const STRAY = [
  '.env',
  'image/.env',
  'image/secrets/comfyui_password',
  'image/workspace/login/PASSWORD',
  'image/sources/.env.backup',
  'dist/cli/.env',
  '.secrets/qwen-api-user.token',
];

/** Leaves a secret in all the places of a build context where one may lie about. */
export function leaveAbout(folder: string, secret: string): void {
  for (const path of STRAY.map((name) => join(folder, name))) {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, `${secret}\n`);
  }
}

/**
 * Lays out a build context in which everything that the image fetches elsewhere lies at hand. Gives the arguments
 * of the build.
 */
export function makeContext(folder: string): string[] {
  const sources = join(folder, 'image', 'sources');
  for (const name of COPIED) cpSync(join(project, name), join(folder, name), { recursive: true });
  cpSync(PARTS.wheels, join(sources, 'wheels'), { recursive: true });
  copyFileSync(REQUIREMENTS, join(sources, 'requirements.lock'));
  // No PyTorch: the server in ComfyUI's place needs none.
  writeFileSync(join(sources, 'torch.lock'), '');
  const commits = {
    comfyui: makeRepository(join(import.meta.dirname, 'comfyui'), join(sources, 'comfyui.git')),
    login: makeRepository(loginNode, join(sources, 'comfyui-login.git')),
  };
  return Object.entries({
    BASE_IMAGE: 'python-base',
    NODE_IMAGE: 'node-base',
    COMFYUI_REPO: '/sources/comfyui.git',
    COMFYUI_COMMIT: commits.comfyui,
    LOGIN_REPO: '/sources/comfyui-login.git',
    LOGIN_COMMIT: commits.login,
    PIP_NO_INDEX: '1',
    PIP_FIND_LINKS: '/sources/wheels',
    REQUIREMENTS: 'image/sources/requirements.lock',
    TORCH_LOCK: 'image/sources/torch.lock',
  }).flatMap(([name, value]) => ['--build-arg', `${name}=${value}`]);
}

/** Lays out what stands for the image of Node: of it, only the one program is copied. */
export function makeNodeRoot(folder: string): void {
  const bin = join(folder, 'usr', 'local', 'bin');
  mkdirSync(bin, { recursive: true });
  cpSync(process.execPath, join(bin, 'node'), { dereference: true });
}

/** Makes a bare repository of a folder's files, always the same commit for the same files; gives its id. */
function makeRepository(from: string, to: string): string {
  const env = {
    PATH: process.env.PATH ?? '',
    GIT_DIR: to,
    GIT_WORK_TREE: from,
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_CONFIG_NOSYSTEM: '1',
    ...{ GIT_AUTHOR_NAME: 'nobody', GIT_AUTHOR_EMAIL: 'nobody@example.org' },
    ...{ GIT_COMMITTER_NAME: 'nobody', GIT_COMMITTER_EMAIL: 'nobody@example.org' },
    ...{ GIT_AUTHOR_DATE: '2025-01-01T00:00:00Z', GIT_COMMITTER_DATE: '2025-01-01T00:00:00Z' },
  };
  const git = (...args: string[]) => execFileSync('git', args, { env, cwd: from, encoding: 'utf8' }).trim();
  const names = readdirSync(from).filter((name) => name !== '.git' && name !== '__pycache__');
  git('init', '--quiet', '--initial-branch=main');
  git('add', '--', ...names, ':!:**/__pycache__');
  git('commit', '--quiet', '--message', basename(from));
  git('config', 'core.bare', 'true');
  return git('rev-parse', 'HEAD');
}
