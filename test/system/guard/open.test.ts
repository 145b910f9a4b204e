import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { requires } from '../capability.ts';
import { OpenStage, type Watched } from './open-stage.ts';
import { withoutPython } from './python.ts';

const runs = (program: string, ...args: string[]) => spawnSync(program, args).status === 0;
const skipped = [
  withoutPython(),
  requires('strace that may trace', runs('strace', '-f', '-o', '/dev/null', 'true')),
  requires('setpriv (util-linux)', runs('setpriv', '--dump')),
].includes(true);

/** A way in which the login node fails to load, or lets everybody in (container.md §1). */
type Case = [name: string, spoil: (stage: OpenStage) => void];

const KEY = `${'A'.repeat(43)}=`;
const today = () => new Date().toISOString().slice(0, 19);
const key =
  (content: string) =>
  ({ deployment }: OpenStage) =>
    writeFileSync(deployment.key, content);
const password =
  (content: string | Buffer) =>
  ({ deployment }: OpenStage) =>
    writeFileSync(deployment.password, content);

/** The guard is loaded in all of these. */
const OPEN: Case[] = [
  ['O1 PASSWORD not UTF-8', password(Buffer.from([0x24, 0xff, 0x0a]))],
  [
    'O2 PASSWORD a folder',
    ({ deployment }) => {
      rmSync(deployment.password);
      mkdirSync(deployment.password);
    },
  ],
  ['O3 PASSWORD unreadable', ({ deployment }) => chmodSync(deployment.password, 0)],
  ['O4 the node’s folder not writable, and no key', ({ deployment }) => chmodSync(deployment.node, 0o555)],
  ['O5 the session key empty', key('')],
  ['O6 a time zone in its date', key(`${KEY},${today()}+00:00`)],
  ['O7 no Fernet key in it', key(`short,${today()}`)],
  ...['bcrypt', 'aiohttp_session', 'cryptography', 'jinja2'].map(
    (name): Case => [`O8 no ${name}`, (stage) => stage.breakPackage(name)],
  ),
  ['O11 the folder renamed', ({ deployment }) => renameSync(deployment.node, `${deployment.node}.disabled`)],
  ['O11 the folder absent', ({ deployment }) => rmSync(deployment.node, { recursive: true })],
  ['F1 PASSWORD absent', ({ deployment }) => rmSync(deployment.password)],
  ['F2 PASSWORD empty', password('')],
  ['O10 of all custom nodes the guard alone', ({ args }) => void args.push(...OFF, ...ONLY)],
];

const OFF = ['--disable-all-custom-nodes'];
const ONLY = ['--whitelist-custom-nodes', 'comfyui-auth-guard'];

/** Of these the guard knows nothing: ComfyUI does not load it either. */
const NOT_LOADED: Case[] = [
  [
    'O9 another base folder',
    ({ deployment, args }) => {
      const base = join(deployment.folder, 'base');
      mkdirSync(join(base, 'custom_nodes'), { recursive: true });
      args.push('--base-directory', base);
    },
  ],
  ['O10 all custom nodes off', ({ args }) => void args.push(...OFF)],
];

describe.skipIf(skipped)('a login that does not load', () => {
  let stage: OpenStage;
  let running: Watched | undefined;
  beforeEach(async () => {
    stage = await OpenStage.make();
  });
  afterEach(async () => {
    running?.interrupt();
    await running?.ended();
    running = undefined;
    stage.remove();
  });

  test('with all as it should be the guard is no hindrance, and the port is seen to be bound', async () => {
    stage.addGuard();
    running = stage.comfyui();
    await running.settled();
    expect(await stage.statuses(), running.stderr).toEqual([401, 401]);
    running.interrupt();
    const { code, bound } = await running.ended();
    expect(code).toBe(0);
    expect(bound.join('\n')).toContain(`htons(${stage.deployment.port})`);
  });

  test.each([...OPEN, ...NOT_LOADED])('%s, without the guard: open to everybody', async (_, spoil) => {
    spoil(stage);
    running = stage.comfyui();
    await running.settled();
    expect(await stage.statuses(), running.stderr).toContain(200);
    running.interrupt();
    expect((await running.ended()).bound.join('\n')).toContain(`htons(${stage.deployment.port})`);
  });

  test.each(OPEN)('%s: 78, and no port was ever bound', async (_, spoil) => {
    stage.addGuard();
    spoil(stage);
    running = stage.comfyui();
    await running.settled();
    expect(running.stderr).not.toContain('To see the GUI go to');
    const { code, bound } = await running.ended();
    expect(code, running.stderr).toBe(78);
    expect(bound).toEqual([]);
    expect(running.stderr.match(/^comfyui-auth guard: .+ Remedy: .+$/gm), running.stderr).toHaveLength(1);
  });

  test.each(NOT_LOADED)('%s, behind the entrypoint: 78, and no port was ever bound', async (_, spoil) => {
    stage.addGuard();
    spoil(stage);
    running = stage.entrypoint();
    const { code, bound } = await running.ended();
    const output = running.stdout + running.stderr;
    expect(code, output).toBe(78);
    expect(bound).toEqual([]);
    expect(output).toMatch(/^refused: .* Remedy: /m);
    expect(output).not.toMatch(/^starting: /m);
  });
});
