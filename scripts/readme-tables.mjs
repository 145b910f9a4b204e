// Writes the generated parts of README.md: inputs and outputs from action.yml, commands from the terminal's own help.
// With --check it only compares, and fails where they differ.
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parse } from 'yaml';

const root = resolve(import.meta.dirname, '..');
const readme = join(root, 'README.md');

const cell = (text) => text.replaceAll('|', '\\|');
const table = (head, rows) =>
  [head, head.map(() => '---'), ...rows].map((row) => `| ${row.map(cell).join(' | ')} |`).join('\n');

function help(...args) {
  const cli = join(root, 'dist', 'cli', 'index.cjs');
  const { stdout, status } = spawnSync(process.execPath, [cli, ...args, '--help'], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`no help for ${args.join(' ')}: run npm run build first`);
  return stdout.trimEnd();
}

function parts() {
  const action = parse(readFileSync(join(root, 'action.yml'), 'utf8'));
  const inputs = Object.entries(action.inputs).map(([name, { default: usual, description }]) => [
    `\`${name}\``,
    usual === undefined ? '' : `\`${usual}\``,
    description,
  ]);
  const outputs = Object.entries(action.outputs).map(([name, { description }]) => [
    `\`${name}\``,
    description,
  ]);
  return {
    inputs: table(['input', 'default', 'meaning'], inputs),
    outputs: table(['output', 'meaning'], outputs),
    commands: `\`\`\`text\n${help()}\n\`\`\``,
  };
}

let text = readFileSync(readme, 'utf8');
for (const [name, content] of Object.entries(parts())) {
  const region = new RegExp(`(<!-- ${name}:begin -->\\n)[^]*?(<!-- ${name}:end -->)`);
  if (!region.test(text)) throw new Error(`README.md has no region "${name}"`);
  text = text.replace(region, (_, begin, end) => `${begin}${content}\n${end}`);
}
if (!process.argv.includes('--check')) writeFileSync(readme, text);
else if (text !== readFileSync(readme, 'utf8')) {
  console.error('README.md: its generated tables are old; run npm run docs');
  process.exit(1);
}
