// Holds the line of design.md: imports go one way between rooms, and no file imports itself round a circle.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '..');

// Each room may import from the rooms listed (and from itself).
const inner = ['model', 'platform', 'env-file'];
const core = ['locations', 'store', 'probe', 'service', 'report', 'layout'];
const rooms = {
  model: [],
  platform: ['model'],
  'env-file': ['model'],
  locations: inner,
  layout: [...inner, 'locations'],
  store: inner,
  probe: inner,
  service: inner,
  report: inner,
  'stand-in': ['model', 'platform'],
  commands: [...inner, ...core, 'stand-in'],
  cli: [...inner, ...core, 'commands', 'stand-in'],
  action: [...inner, ...core, 'commands'],
  entrypoint: [...inner, ...core, 'commands'],
};

function* sources(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* sources(path);
    else if (path.endsWith('.ts')) yield path;
  }
}

const roomOf = (path) => {
  const parts = relative(root, path).split(/[\\/]/);
  return parts[0] === 'src' ? parts[1] : parts[0];
};

const IMPORT = /(?:from\s+|import\s*\(\s*|import\s+)'([^']+)'/g;
const graph = new Map();
const faults = [];

for (const file of [...sources(join(root, 'src')), ...sources(join(root, 'entrypoint'))]) {
  const from = roomOf(file);
  if (!(from in rooms)) faults.push(`${relative(root, file)}: '${from}' is no room of the design`);
  const targets = [...readFileSync(file, 'utf8').matchAll(IMPORT)]
    .map((match) => match[1])
    .filter((specifier) => specifier.startsWith('.'))
    .map((specifier) => resolve(dirname(file), specifier));
  graph.set(file, targets);
  for (const target of targets) {
    const to = roomOf(target);
    if (to === 'schema' || to === from || rooms[from]?.includes(to)) continue;
    faults.push(`${relative(root, file)}: ${from} may not import from ${to}`);
  }
}

const done = new Set();
function visit(file, trail) {
  const start = trail.indexOf(file);
  if (start >= 0) {
    faults.push(`circle: ${[...trail.slice(start), file].map((path) => relative(root, path)).join(' → ')}`);
    return;
  }
  if (done.has(file)) return;
  for (const target of graph.get(file) ?? []) visit(target, [...trail, file]);
  done.add(file);
}
for (const file of graph.keys()) visit(file, []);

for (const fault of faults) console.error(fault);
process.exit(faults.length === 0 ? 0 : 1);
