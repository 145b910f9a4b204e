import { readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const dist = resolve(import.meta.dirname, '..', '..', 'dist');
const bundle = (face: string) => join(dist, face, 'index.cjs');

describe('the bundles', () => {
  const bounds = { cli: 450_000, entrypoint: 250_000, action: 900_000 };
  it.each(Object.entries(bounds))('%s stays under its bound', (face, bytes) => {
    expect(statSync(bundle(face)).size).toBeLessThanOrEqual(bytes);
  });

  it.each(['cli', 'entrypoint'])('%s holds nothing of @actions', (face) => {
    expect(readFileSync(join(dist, face, 'LICENSES.txt'), 'utf8')).not.toContain('@actions');
    expect(readFileSync(bundle(face), 'utf8')).not.toContain('::add-mask::');
  });

  it.each(Object.keys(bounds))('%s names the licences of what is in it', (face) => {
    expect(readFileSync(join(dist, face, 'LICENSES.txt'), 'utf8')).toContain('bcryptjs');
  });

  it('holds no path of the machine on which it was built', () => {
    for (const face of Object.keys(bounds))
      expect(readFileSync(bundle(face), 'utf8')).not.toContain(resolve(dist, '..'));
  });
});
