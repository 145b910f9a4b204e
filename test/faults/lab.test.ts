import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { requires } from '../system/capability.ts';

// A container may hold strace and yet forbid ptrace.
const strace = spawnSync('strace', ['-qq', '-o', '/dev/null', 'true']).status === 0;

/** Runs the lab as a person would; gives its exit code and its last line, which holds the sums. */
async function lab(...args: string[]) {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'lab.mjs'), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.on('data', (chunk) => {
    output += chunk;
  });
  const [code] = await once(child, 'close');
  const [, points, injections] =
    /(\d+) points, (\d+) injections, \d+ bad, \d+ not durable\n$/.exec(output) ?? [];
  return { code, output, points: Number(points), injections: Number(injections) };
}

// All renames and fsyncs; of the other points every fourth is killed, and every sixteenth, which is broken in four
// ways, fails. The full sweeps run by hand: `npm run lab`.
describe.skipIf(requires('strace', strace))('the fault lab', () => {
  it.each([
    ['kill', 'harness', '4', 100],
    ['kill', 'sync', '4', 100],
    ['errors', 'harness', '16', 400],
  ] as const)('%s: finds nothing bad in %s', async (kind, program, every, atLeast) => {
    const { code, output, points, injections } = await lab(kind, '--program', program, '--every', every);
    expect(output).not.toMatch(/BAD|NOT DURABLE/);
    expect(code, output).toBe(0);
    expect(points).toBeGreaterThan(100);
    expect(injections).toBeGreaterThan(atLeast);
  });

  it('finds an error in sync at each rename and each sync of its commit', async () => {
    const calls = 'rename,renameat,renameat2,fsync,fdatasync';
    const { code, output } = await lab('errors', '--program', 'sync', '--points', calls);
    expect(code, output).toBe(0);
  });

  it('turns red for every saboteur', async () => {
    const { code, output } = await lab('saboteurs');
    expect(code, output).toBe(0);
    expect(output).toMatch(/no-folder-fsync: red/);
    expect(output).toMatch(/no-journal: red/);
  });
});
