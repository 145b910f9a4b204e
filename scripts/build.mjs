// Makes dist/: one CommonJS file a face, and the licences of what is bundled into it. Reproducible byte for byte.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { build } from 'esbuild';

const root = resolve(import.meta.dirname, '..');
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

/** Each file of dist/ and its source. The terminal has two: what every start needs, and all the rest. */
const bundles = {
  'action/index.cjs': 'src/action/main.ts',
  'cli/index.cjs': 'src/cli/main.ts',
  'cli/terminal.cjs': 'src/cli/terminal.ts',
  'entrypoint/index.cjs': 'entrypoint/main.ts',
};

/** index.cjs of the terminal loads terminal.cjs when it runs, instead of containing it. */
const terminalApart = {
  name: 'terminal-apart',
  setup({ onResolve }) {
    onResolve({ filter: /^\.\/terminal\.ts$/ }, ({ kind }) =>
      kind === 'entry-point' ? undefined : { path: './terminal.cjs', external: true },
    );
  },
};

/** The packages whose files went into a bundle, from esbuild's list of inputs. */
function bundledPackages(metafile) {
  const names = new Set();
  for (const input of Object.keys(metafile.inputs)) {
    const match = /(?:^|\/)node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input);
    if (match) names.add(match[1]);
  }
  return names;
}

/** Name, version, licence and licence text of each package, as one document. */
function licences(packages) {
  return packages
    .map((name) => {
      const folder = join(root, 'node_modules', name);
      const { version: packageVersion, license } = JSON.parse(
        readFileSync(join(folder, 'package.json'), 'utf8'),
      );
      const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
      const text = file === undefined ? '' : readFileSync(join(folder, file), 'utf8').trim();
      return `${name} ${packageVersion} (${license})\n\n${text}\n`;
    })
    .join(`\n${'-'.repeat(80)}\n\n`);
}

const packages = new Map();
for (const [file, entry] of Object.entries(bundles)) {
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: [entry],
    outfile: join(root, 'dist', file),
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
    // ESM first: the UMD builds of some packages load their parts in a way that no bundler follows.
    mainFields: ['module', 'main'],
    // A dynamic import becomes a require: starting the loader of ES modules takes longer than all of ours.
    supported: { 'dynamic-import': false },
    minify: true,
    legalComments: 'none',
    // Letters as they are, not as escapes.
    charset: 'utf8',
    define: { __VERSION__: JSON.stringify(version) },
    banner: file.endsWith('index.cjs') && !file.startsWith('action') ? { js: '#!/usr/bin/env node' } : {},
    plugins: [terminalApart],
    metafile: true,
    logLevel: 'warning',
  });
  const face = dirname(file);
  packages.set(face, new Set([...(packages.get(face) ?? []), ...bundledPackages(metafile)]));
}
for (const [face, names] of packages) {
  writeFileSync(join(root, 'dist', face, 'LICENSES.txt'), licences([...names].sort()));
}
