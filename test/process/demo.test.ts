import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { CLI, cleanEnv, runBundle } from './deployment.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'comfyui-auth-demo-test-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

it('demo verifies every step and leaves nothing behind', () => {
  const ran = runBundle(CLI, ['demo', '--json'], { env: { TMPDIR: folder } });
  expect(ran.json.steps.filter((one: { verified: boolean }) => !one.verified)).toEqual([]);
  expect(ran.json.steps).toHaveLength(7);
  expect(ran.code).toBe(0);
  expect(readdirSync(folder)).toEqual([]);
});

it.each(['SIGINT', 'SIGTERM'] as const)(
  'demo leaves nothing behind when it is ended by %s',
  async (signal) => {
    const child = spawn(process.execPath, [CLI, 'demo'], { env: cleanEnv({ TMPDIR: folder }) });
    // The third step is done: the fourth boots the deployment.
    for await (const line of createInterface({ input: child.stdout })) if (line.startsWith('3/7')) break;
    child.kill(signal);
    const [code] = await once(child, 'close');
    expect(code).toBe(3);
    expect(readdirSync(folder)).toEqual([]);
  },
);
