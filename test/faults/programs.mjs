// What the lab drives: its own harness over src/store, or the terminal's `sync`; whole, or with a piece sabotaged.
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

export const PROGRAMS = { harness };

/** Builds a program: how its tree is planted, and the commands that commit, roll back and recover in it. */
export async function makeProgram(name, work, saboteur) {
  const make = PROGRAMS[name];
  if (make === undefined) throw new Error(`no such program: ${name} (${Object.keys(PROGRAMS).join(', ')})`);
  if (saboteur !== undefined && !(saboteur in SABOTEURS)) throw new Error(`no such saboteur: ${saboteur}`);
  return make(work, saboteur);
}
