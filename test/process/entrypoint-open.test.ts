import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { AnonymousProber, cheapHash, Deployment, freshPassword } from './entrypoint-harness.ts';
import { MoodyServer } from './entrypoint-moody-server.ts';

const MAX_OPEN_MS = 300;

let deployment: Deployment;
let prober: AnonymousProber;
beforeEach(async () => {
  deployment = await Deployment.make();
  writeFileSync(deployment.password, `${cheapHash(freshPassword())}\nada`);
  prober = new AnonymousProber(deployment.port);
});
afterEach(() => {
  prober.stop();
  deployment.remove();
});

/** Spoils the login node behind the entrypoint's back, after its checks, and serves. */
const spoilThenServe = (spoil: string, more = '') => [
  'run',
  '--',
  'sh',
  '-c',
  `${spoil}; ${deployment.serve(more)}`,
];

const node = () => deployment.node;
const otherKey = (content: string) => `printf '%s' '${content}' > '${deployment.key}'`;

describe('a server that comes up open in spite of the checks is killed: 76', () => {
  test.each<[string, () => string, string?]>([
    ['O1 PASSWORD not UTF-8', () => `printf '\\377\\n' > '${deployment.password}'`],
    ['O2 PASSWORD a folder', () => `rm '${deployment.password}'; mkdir '${deployment.password}'`],
    ['O5 an empty session key', () => otherKey('')],
    ['O6 a time zone in its date', () => otherKey(`${'A'.repeat(43)}=,2026-01-01T00:00:00+00:00`)],
    ['O7 no Fernet key', () => otherKey(`x,${new Date().toISOString().slice(0, 19)}`)],
    ['O10 all custom nodes off', () => ':', '--disable-all-custom-nodes'],
    ['O11 the node disabled', () => `mv '${node()}' '${node()}.disabled'`],
    ['O11 the node removed', () => `rm -r '${node()}'`],
    ['O11 the same after a slow start', () => `rm -r '${node()}'; sleep 4`],
  ])('%s', async (_, spoil, more) => {
    const { code, output } = await deployment.end(spoilThenServe(spoil(), more));
    expect(output).toMatch(/^open: .*exit 76\)$/m);
    expect(output).not.toMatch(/^ready/m);
    expect(code).toBe(76);
    expect(prober.openMs).toBeLessThanOrEqual(MAX_OPEN_MS);
    expect(deployment.health()).toMatchObject({ state: 'EXIT', ready: false, live: false });
  });

  test('O9 another base folder', async () => {
    const base = join(deployment.folder, 'base');
    mkdirSync(join(base, 'custom_nodes'), { recursive: true });
    const { code } = await deployment.end(spoilThenServe(':', `--base-directory '${base}'`));
    expect(code).toBe(76);
    expect(prober.openMs).toBeLessThanOrEqual(MAX_OPEN_MS);
  });

  test('the empty token opens it where PASSWORD is emptied', async () => {
    const byToken = new AnonymousProber(deployment.port, '/system_stats?token=');
    const { code, output } = await deployment.end(spoilThenServe(`: > '${deployment.password}'`));
    byToken.stop();
    expect(code).toBe(76);
    expect(output).toMatch(/^open: .*\(open-by-empty-token, exit 76\)$/m);
    expect(byToken.openMs).toBeLessThanOrEqual(MAX_OPEN_MS);
  });

  test('what the child left in its process group dies with it', async () => {
    const serve = deployment.serve('--disable-all-custom-nodes').replace('exec ', '');
    const { code } = await deployment.end(['run', '--', 'sh', '-c', `${serve} & wait`]);
    expect(code).toBe(76);
    const after = new AnonymousProber(deployment.port);
    await expect.poll(() => after.asked).toBeGreaterThan(5);
    after.stop();
    expect(after.oks).toBe(0);
  });
});

test('a server that opens after the proof is killed at the next check', async () => {
  const server = new MoodyServer(deployment);
  const running = deployment.start(['run', '--', process.execPath, server.program], {
    VERIFY_INTERVAL: '1s',
  });
  await running.said(/^ready/m);
  expect(prober.oks).toBe(0);
  server.turn('open');
  expect(await running.ended).toBe(76);
  expect(running.output).toMatch(/^open: /m);
  expect(prober.oks).toBeGreaterThan(0);
});

test('where an open server is meant it runs without a proof, and that is said loudly', async () => {
  const env = { COMFYUI_LOGIN_ENABLED: 'false', ALLOW_OPEN: 'yes-i-know' };
  const running = deployment.start(['run'], env);
  await running.said(/^unprotected: warning: serving at/m);
  expect(running.output).toMatch(/WITHOUT A LOGIN/);
  expect(running.output).not.toMatch(/^ready/m);
  expect(await running.stop()).toBe(0);
});
