import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const dist = resolve(import.meta.dirname, '..', '..', 'dist');
/** All programs of a face: the terminal has two. */
const programs = (face: string) =>
  readdirSync(join(dist, face))
    .filter((name) => name.endsWith('.cjs'))
    .map((name) => join(dist, face, name));
const text = (face: string) =>
  programs(face)
    .map((path) => readFileSync(path, 'utf8'))
    .join('\n');

describe('the bundles', () => {
  // The terminal holds every command with its words: yaml, commander and bcrypt (once for its threads) are 200 kB of it.
  // The entrypoint reads ComfyUI’s extra_model_paths.yaml as ComfyUI does: yaml is 115 kB of it, and runs only where one is.
  const bounds = { cli: 550_000, entrypoint: 350_000, action: 900_000 };
  it.each(Object.entries(bounds))('%s stays under its bound', (face, bytes) => {
    const sizes = programs(face).map((path) => statSync(path).size);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(bytes);
  });

  it.each(['cli', 'entrypoint'])('%s holds nothing of @actions', (face) => {
    expect(readFileSync(join(dist, face, 'LICENSES.txt'), 'utf8')).not.toContain('@actions');
    expect(text(face)).not.toContain('::add-mask::');
  });

  it.each(Object.keys(bounds))('%s names the licences of what is in it', (face) => {
    expect(readFileSync(join(dist, face, 'LICENSES.txt'), 'utf8')).toContain('bcryptjs');
  });

  it('holds no path of the machine on which it was built', () => {
    for (const face of Object.keys(bounds)) expect(text(face)).not.toContain(resolve(dist, '..'));
  });
});
