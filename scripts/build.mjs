// Makes dist/: one CommonJS file a face, and the licences of what is bundled into it. Reproducible byte for byte.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { build } from 'esbuild';

const root = resolve(import.meta.dirname, '..');
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

const faces = {
  action: 'src/action/main.ts',
  cli: 'src/cli/main.ts',
  entrypoint: 'entrypoint/main.ts',
};

/** The packages whose files went into a bundle, from esbuild's list of inputs. */
function bundledPackages(metafile) {
  const names = new Set();
  for (const input of Object.keys(metafile.inputs)) {
    const match = /(?:^|\/)node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input);
    if (match) names.add(match[1]);
  }
  return [...names].sort();
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

for (const [face, entry] of Object.entries(faces)) {
  if (!existsSync(join(root, entry))) continue;
  const outfile = join(root, 'dist', face, 'index.cjs');
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: [entry],
    outfile,
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
    // ESM first: the UMD builds of some packages load their parts in a way that no bundler follows.
    mainFields: ['module', 'main'],
    minify: true,
    keepNames: false,
    legalComments: 'none',
    define: { __VERSION__: JSON.stringify(version) },
    banner: face === 'action' ? {} : { js: '#!/usr/bin/env node' },
    metafile: true,
    logLevel: 'warning',
  });
  writeFileSync(join(root, 'dist', face, 'LICENSES.txt'), licences(bundledPackages(metafile)));
}
