// What the lab drives: its own harness over src/store, or the terminal's `sync`; whole, or with a piece sabotaged.
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { build } from 'esbuild';
import { plant } from './tree.mjs';

const root = resolve(import.meta.dirname, '../..');

/** A piece of src/store replaced in the lab's build: a sweep that stays green with it proves nothing. */
export const SABOTEURS = {
  'no-folder-fsync': { file: 'folder.ts', from: 'fsyncSync(fd);', to: '' },
  'no-journal': {
    file: 'journal.ts',
    from: /(export function writeJournal\([^)]*\): void \{)/,
    to: '$1 return;',
  },
};

function sabotage({ file, from, to }) {
  return {
    name: 'sabotage',
    setup({ onLoad }) {
      onLoad({ filter: new RegExp(`src/store/${file.replace('.', '\\.')}$`) }, ({ path }) => {
        const source = readFileSync(path, 'utf8');
        const contents = source.replace(from, to);
        if (contents === source) throw new Error(`${file} no longer holds what the saboteur replaces`);
        return { contents, loader: 'ts' };
      });
    },
  };
}

async function bundle(entry, outfile, saboteur) {
  await build({
    absWorkingDir: root,
    entryPoints: [entry],
    outfile,
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
    mainFields: ['module', 'main'],
    define: { __VERSION__: '"lab"' },
    plugins: saboteur === undefined ? [] : [sabotage(SABOTEURS[saboteur])],
    logLevel: 'error',
  });
  return outfile;
}

const PLAN = [
  { path: '.env', content: 'A=2\n' },
  { path: 'conf/token', content: 'new token' },
  { path: 'conf/PASSWORD', content: 'new hash\nadmin' },
  { path: 'conf/fresh', content: 'made\n', mode: 0o640 },
  { path: 'deep/er/file', content: 'made deep down\n' },
];

/** Three files to replace, of several modes and owners; two to make, one in folders that are not there. */
function plantFiles(tree) {
  plant(tree, '.env', { content: 'A=1\nB=of another length\n', mode: 0o640 });
  plant(tree, 'conf/token', { content: 'old token' });
  plant(tree, 'conf/PASSWORD', { content: 'old hash\nadmin', mode: 0o400, uid: 1000 });
  plant(tree, 'marker', { content: '' });
}

async function harness(work, saboteur) {
  const file = await bundle('test/faults/harness.ts', join(work, 'harness.cjs'), saboteur);
  const plan = join(work, 'plan.json');
  writeFileSync(plan, JSON.stringify(PLAN));
  const argv = (mode) => (tree) => [process.execPath, file, mode, tree, plan];
  return {
    plant: plantFiles,
    commit: argv('commit'),
    rollBack: argv('roll-back'),
    resume: argv('recover'),
    recover: argv('recover'),
  };
}

const ALPHABET = './ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

/** A text of bcrypt's shape, nobody's hash. Without its password nothing is compared, which keeps a run short. */
const madeUpBearer = () => `$2b$12$${Array.from(randomBytes(53), (byte) => ALPHABET[byte & 63]).join('')}`;

const LAYOUT = `version: 1
services:
  comfyui:
    url: http://127.0.0.1:1
    env: { file: .env, readers: [compose] }
    authority: secrets/auth.conf
    locations:
      - { path: secrets/api.token, kind: token-file, holds: bearer }
      - { path: secrets/fresh.token, kind: token-file, holds: bearer }
      - { path: login/PASSWORD, kind: password-file }
`;

/** A deployment whose files hold one bearer, but for a token file that is missing. */
function plantDeployment(bearer) {
  const conf = { version: '1', bcrypt_hash: bearer, services: { comfyui: { locations: [] } } };
  return (tree) => {
    plant(tree, 'comfyui-auth.yml', { content: LAYOUT });
    plant(tree, '.env', {
      content: `COMFYUI_USERNAME=admin\nCOMFYUI_BEARER_TOKEN='${bearer}'\n`,
      mode: 0o640,
    });
    plant(tree, 'secrets/auth.conf', { content: `${JSON.stringify(conf, null, 2)}\n` });
    plant(tree, 'secrets/api.token', { content: bearer });
    plant(tree, 'login/PASSWORD', { content: `${bearer}\nadmin`, mode: 0o400, uid: 1000 });
  };
}

/** `sync` with another bearer. What it left is recovered by the harness: a second `sync` would mend what is mixed. */
async function sync(work, saboteur) {
  const cli = await bundle('src/cli/main.ts', join(work, 'cli.cjs'), saboteur);
  const { recover } = await harness(work, saboteur);
  const bearerFile = join(work, 'bearer');
  writeFileSync(bearerFile, madeUpBearer(), { mode: 0o600 });
  const commit = (tree) => [process.execPath, cli, 'sync', '--root', tree, '--bearer-file', bearerFile];
  // The next `sync` puts the old files back, and then does its own work: either may stand where it is broken.
  return { plant: plantDeployment(madeUpBearer()), commit, resume: commit, resumeEnds: 'either', recover };
}

const PROGRAMS = { harness, sync };

/** Builds a program: how its tree is planted, and the commands that commit, roll back and recover in it. */
export async function makeProgram(name, work, saboteur) {
  const make = PROGRAMS[name];
  if (make === undefined) throw new Error(`no such program: ${name} (${Object.keys(PROGRAMS).join(', ')})`);
  if (saboteur !== undefined && !(saboteur in SABOTEURS)) throw new Error(`no such saboteur: ${saboteur}`);
  return make(work, saboteur);
}
