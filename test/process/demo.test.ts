import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { CLI, runBundle } from './deployment.ts';

it('demo verifies every step and leaves nothing behind', () => {
  const folder = mkdtempSync(join(tmpdir(), 'comfyui-auth-demo-test-'));
  const ran = runBundle(CLI, ['demo', '--json'], { env: { TMPDIR: folder } });
  expect(ran.json.steps.filter((one: { verified: boolean }) => !one.verified)).toEqual([]);
  expect(ran.json.steps).toHaveLength(7);
  expect(ran.code).toBe(0);
  expect(readdirSync(folder)).toEqual([]);
  rmSync(folder, { recursive: true });
});
