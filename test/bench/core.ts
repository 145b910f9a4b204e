import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { audit } from '../../src/commands/audit.ts';
import { layDemoTree } from '../../src/commands/demo-tree.ts';
import type { World } from '../../src/commands/world.ts';
import { editEnv } from '../../src/env-file/edit.ts';
import { hashPassword, verifies } from '../../src/model/bcrypt.ts';
import type { ReaderSpec } from '../../src/model/layout.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { nodeProcess } from '../../src/platform/process.ts';
import { cheapHash, Deployment, freshPassword } from '../process/entrypoint-harness.ts';

export { DockerDeployment } from '../process/docker-deployment.ts';
export { crashAgainAndAgain, footprint, least } from '../process/entrypoint-footprint.ts';
export { always, freePort, Servers, STATS, sound, soundButFor } from '../process/scripted-servers.ts';
export { gateDeployment } from '../process/scripted-servers-deployment.ts';
export { BootStage } from './boot-stage.ts';

// What the bench needs of the core itself; bundled by run.mjs.

/** A world whose bcrypt notes each pair that it was asked for. */
function countingWorld(pairs: Map<string, [string, string]>): World {
  const verify: World['bcrypt']['verify'] = async (password, bearer) => {
    pairs.set(`${password.reveal()}\0${bearer.reveal()}`, [password.reveal(), bearer.reveal()]);
    return verifies(password, bearer);
  };
  return {
    env: { PATH: process.env.PATH },
    cwd: tmpdir(),
    clock: systemClock,
    process: nodeProcess,
    bcrypt: {
      verify,
      verifyAll: (all) => Promise.all(all.map(([password, bearer]) => verify(password, bearer))),
      hash: async (password, salt) => hashPassword(password, salt),
    },
    stdin: async () => '',
    progress: () => undefined,
  };
}

/** Lays the demonstration's tree down; gives its folder and the distinct pairs that its audit has to compare. */
export async function demoTree(): Promise<{ root: string; pairs: [string, string][] }> {
  const root = join(mkdtempSync(join(tmpdir(), 'comfyui-auth-bench-')), 'tree');
  const pairs = new Map<string, [string, string]>();
  const world = countingWorld(pairs);
  await layDemoTree(root, 8188, '/nonexistent', world);
  await audit({ root, services: [], failOn: 'error' }, world);
  return { root, pairs: [...pairs.values()] };
}

/** A ComfyUI with a credential, for a child that crashes. */
export async function crashingDeployment(): Promise<Deployment> {
  const deployment = await Deployment.make();
  writeFileSync(deployment.password, `${cheapHash(freshPassword())}\nada`);
  return deployment;
}

/** A tree of many services with five locations each, and bearers alone: no bcrypt has to be computed. */
export function manyServices(count: number, bearer: string): string {
  const root = mkdtempSync(join(tmpdir(), 'comfyui-auth-bench-'));
  const layout = ['version: 1', 'services:'];
  for (let i = 0; i < count; i++) {
    const name = `s${i}`;
    writeFileSync(join(root, `${name}.env`), `# ${name}\nPORT=${i}\nCOMFYUI_BEARER_TOKEN='${bearer}'\n`, {
      mode: 0o600,
    });
    writeFileSync(join(root, `${name}.other`), `A=1\nTOKEN='${bearer}'\n`, { mode: 0o600 });
    for (const kind of ['a', 'b']) writeFileSync(join(root, `${name}.${kind}`), bearer, { mode: 0o600 });
    writeFileSync(join(root, `${name}.PASSWORD`), `${bearer}\nadmin`, { mode: 0o600 });
    layout.push(
      `  ${name}:`,
      `    authority: ${name}.a`,
      `    env: { file: ${name}.env, keys: { COMFYUI_BEARER_TOKEN: bearer } }`,
      '    locations:',
      `      - { path: ${name}.a, kind: token-file, holds: bearer }`,
      `      - { path: ${name}.b, kind: token-file, holds: bearer }`,
      `      - { path: ${name}.other, kind: env-key, key: TOKEN, holds: bearer }`,
      `      - { path: ${name}.PASSWORD, kind: password-file }`,
    );
  }
  writeFileSync(join(root, 'comfyui-auth.yml'), `${layout.join('\n')}\n`);
  return root;
}

const READERS: ReaderSpec[] = [{ name: 'compose' }, { name: 'dotenv' }];

/** Five keys of a `.env` set to new values, with everything that is checked on the way. */
export function editFive(text: string, value: string): string {
  const edits = [0, 1, 2, 3, 4].map((i) => ({ key: `KEY_${i * 20_000}`, value: `${value}${i}` }));
  const result = editEnv(text, edits, READERS, []);
  if (!result.ok) throw new Error('the edit was refused');
  return result.text;
}
