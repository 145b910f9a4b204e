import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { layGuard } from '../../src/stand-in/tree.ts';
import { Deployment, freshPassword } from './entrypoint-harness.ts';

/** Root may look everywhere. */
const USER = process.getuid?.() === 0 ? 65_534 : undefined;

const password = freshPassword();

let deployment: Deployment;
let secrets: string;
let closed: string;
beforeEach(async () => {
  deployment = await Deployment.make();
  layGuard(deployment.comfyui);
  secrets = join(deployment.folder, 'secrets');
  mkdirSync(join(secrets, 'of-the-day'), { recursive: true });
  writeFileSync(join(secrets, 'of-the-day', 'password'), password);
});
afterEach(() => {
  chmodSync(closed, 0o755);
  deployment.remove();
});

test.each<[string, () => string, RegExp]>([
  ['login/', () => deployment.login, /^degraded/m],
  ['the folder above a secret’s', () => secrets, /^reload-refused: .*COMFYUI_PASSWORD_FILE.*EACCES/m],
])('%s that cannot be looked at leaves ComfyUI with somebody who watches it', async (_, folderOf, said) => {
  closed = folderOf();
  const env = {
    GUARD_COPY: 'off',
    VERIFY_INTERVAL: '1s',
    COMFYUI_PASSWORD_FILE: join(secrets, 'of-the-day', 'password'),
  };
  const running = deployment.start(['run'], env, USER);
  await running.said(/^ready/m);
  chmodSync(closed, 0);
  await running.said(said);
  chmodSync(closed, 0o755);
  // A change that comes later is still noticed.
  writeFileSync(join(secrets, 'of-the-day', 'password'), freshPassword());
  await running.said(/^rotated/m);
  expect(await running.stop()).toBe(0);
});
