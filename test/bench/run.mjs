// Figures as ratios within one run: the machine's speed cancels out. Fails where a bound does not hold.
// With names of parts as arguments only these; `restarts` takes minutes, and is done only where it is named; `guard` needs a
// Python with the packages of test/guard/requirements.txt (COMFYUI_LOGIN_PYTHON).
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import bcrypt from 'bcryptjs';
import { build } from 'esbuild';
import { idleDeploy } from './deploy.mjs';
import { entrypoint, restarts } from './entrypoint.mjs';
import { gate } from './gate.mjs';
import { guard } from './guard.mjs';
import { allHold, report, runNode, sideBySide } from './measure.mjs';
import { relay } from './relay.mjs';

const project = resolve(import.meta.dirname, '..', '..');
const cli = join(project, 'dist', 'cli', 'index.cjs');
const scratch = mkdtempSync(join(tmpdir(), 'comfyui-auth-bench-'));
const empty = join(scratch, 'empty.cjs');
writeFileSync(empty, '');

await build({
  entryPoints: [join(import.meta.dirname, 'core.ts')],
  outfile: join(scratch, 'core.cjs'),
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'cjs',
  mainFields: ['module', 'main'],
  // The bundle lies elsewhere than the files that look for the project from where they stand.
  define: { 'import.meta.dirname': JSON.stringify(join(project, 'test', 'process')) },
  logLevel: 'warning',
});
const core = createRequire(import.meta.url)(join(scratch, 'core.cjs'));
const trees = [];

function version() {
  const [bare, ours] = sideBySide(
    15,
    () => runNode([empty]),
    () => runNode([cli, '--version']),
  );
  report('--version, against node on an empty file', ours / bare, 1.3);
}

async function auditDemo() {
  const { root, pairs } = await core.demoTree();
  trees.push(resolve(root, '..'));
  const [start, compares, ours] = sideBySide(
    5,
    () => runNode([cli, '--version']),
    () => {
      for (const [password, bearer] of pairs) bcrypt.compareSync(password, bearer);
    },
    () => runNode([cli, 'audit', '--root', root, '--json'], { codes: [1] }),
  );
  report(
    `audit of the demo tree, against a start and its ${pairs.length} compares`,
    ours / (start + compares),
    1.5,
  );
}

/** Runs audit; gives its own time, and the most memory that it held, in MB. */
function auditMany(root) {
  const preload = join(scratch, 'memory.cjs');
  const memory = join(scratch, 'memory');
  const line = `process.on('exit', () => require('fs').writeFileSync(${JSON.stringify(memory)}, String(process.resourceUsage().maxRSS)))`;
  writeFileSync(preload, line);
  const { stdout } = runNode(['--require', preload, cli, 'audit', '--root', root, '--json']);
  return { ms: JSON.parse(stdout).durationMs, mb: Number(readFileSync(memory, 'utf8')) / 1024 };
}

function many() {
  const bearer = bcrypt.hashSync('bench', 4);
  const roots = [100, 1000].map((count) => core.manyServices(count, bearer));
  trees.push(...roots);
  const figures = roots.map(() => []);
  for (let round = 0; round < 3; round++) {
    for (const [i, root] of roots.entries()) figures[i].push(auditMany(root));
  }
  const [small, large] = figures.map((runs) => Math.min(...runs.map((one) => one.ms)));
  report('audit of 1,000 services, against 100', large / small, 12);
  report('audit of 1,000 services × 5, a location', large / 5000, 2, 'ms');
  report('audit of 1,000 services, memory', Math.max(...figures[1].map((one) => one.mb)), 200, 'MB');
}

function longEnv() {
  const file = join(scratch, 'long.env');
  const lines = Array.from({ length: 100_000 }, (_, i) => `KEY_${i}=value-${i}`);
  writeFileSync(file, `${lines.join('\n')}\n`);
  let round = 0;
  const [split, edit] = sideBySide(
    15,
    () => readFileSync(file, 'utf8').split('\n').length,
    () => core.editFive(readFileSync(file, 'utf8'), `new-${round++}-`),
  );
  report('5 keys edited in 100,000 lines, against reading and splitting them', edit / split, 3);
}

function sizes() {
  for (const [face, bound] of Object.entries({ cli: 550, entrypoint: 350, action: 900 })) {
    const folder = join(project, 'dist', face);
    const programs = readdirSync(folder).filter((name) => name.endsWith('.cjs'));
    const bytes = programs.reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
    report(`bundle ${face}`, bytes / 1000, bound, 'kB');
  }
}

const parts = {
  version,
  audit: auditDemo,
  many,
  env: longEnv,
  gate: () => gate(core, cli),
  deploy: () => idleDeploy(core),
  entrypoint: () => entrypoint(core),
  relay,
  guard: () => guard(scratch),
  sizes,
  restarts: () => restarts(core),
};
const named = process.argv.slice(2);

try {
  for (const [name, part] of Object.entries(parts)) {
    if (named.length === 0 ? name !== 'restarts' : named.includes(name)) await part();
  }
} finally {
  for (const folder of [scratch, ...trees]) rmSync(folder, { recursive: true, force: true });
}
process.exitCode = allHold() ? 0 : 1;
