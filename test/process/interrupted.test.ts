import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CLI, cheapHash, cleanEnv, Deployment, found, freshSecret, PATHS } from './deployment.ts';

let tree: Deployment;
beforeEach(() => {
  tree = new Deployment();
});
afterEach(() => tree.remove());

const posix = process.platform !== 'win32';

const drift = () => tree.write(PATHS.token, cheapHash(freshSecret()));

describe('more than one at a time', () => {
  it('20 syncs end well or say that it is locked, and the files agree', async () => {
    drift();
    tree.edit(PATHS.env, 'COMFYUI_USERNAME=admin', 'COMFYUI_USERNAME=');
    const one = async () => {
      const child = spawn(process.execPath, [CLI, 'sync', '--json', '--root', tree.root], {
        env: cleanEnv(),
      });
      let stdout = '';
      child.stdout.on('data', (chunk) => {
        stdout += chunk;
      });
      const [code] = await once(child, 'close');
      const { status, error } = JSON.parse(stdout);
      return `${code} ${error?.code ?? status}`;
    };
    const ends = new Set(await Promise.all(Array.from({ length: 20 }, one)));
    expect(ends).toContain('0 changed');
    for (const end of ends)
      expect(['0 changed', '0 unchanged', '3 locked', '3 journal-pending']).toContain(end);
    expect(tree.run('audit').json.status).toBe('clean');
  });

  // Ends the process itself in front of the nth rename, as a kill would.
  const bomb = `const fs = require('node:fs'); const { renameSync } = fs; let left = +process.env.RENAMES;
fs.renameSync = (...names) => { if (left-- <= 0) process.kill(process.pid, 'SIGKILL'); return renameSync(...names); };`;
  it.skipIf(!posix)('a kill at each rename is reported by audit, and mended by sync', () => {
    tree.write('bomb.cjs', bomb);
    drift();
    const old = tree.read(PATHS.token);
    tree.write(PATHS.tokenCopy, old);
    const env = (renames: number) => ({
      NODE_OPTIONS: `--require ${tree.path('bomb.cjs')}`,
      RENAMES: String(renames),
    });
    let pending = 0;
    for (let renames = 0; tree.runWith({ env: env(renames) }, 'sync').code === null; renames++) {
      expect(renames).toBeLessThan(20);
      const journal = existsSync(tree.path('.comfyui-auth/journal.json'));
      const before = tree.photograph();
      const audit = tree.run('audit');
      expect([found(audit, 'journal-pending').length, audit.code]).toEqual([journal ? 1 : 0, 1]);
      expect(found(tree.run('sync', '--dry-run'), 'journal-pending')).toHaveLength(journal ? 1 : 0);
      expect(tree.photograph()).toEqual(before);
      expect(tree.run('sync').code).toBe(0);
      expect([tree.read(PATHS.token), tree.read(PATHS.tokenCopy)]).toEqual([tree.bearer, tree.bearer]);
      expect(tree.run('audit').json.status).toBe('clean');
      pending += Number(journal);
      tree.write(PATHS.token, old);
      tree.write(PATHS.tokenCopy, old);
    }
    expect(pending).toBeGreaterThan(3);
  });
});
