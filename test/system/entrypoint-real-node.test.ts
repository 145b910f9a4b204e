import { cpSync, existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { AnonymousProber, cheapHash, Deployment, freshPassword } from '../process/entrypoint-harness.ts';

// The real ComfyUI-Login, hosted by test/contract/host.py: COMFYUI_LOGIN_DIR is a checkout of it,
// COMFYUI_LOGIN_PYTHON a Python that has its packages.
const checkout = process.env.COMFYUI_LOGIN_DIR;
const realPython = process.env.COMFYUI_LOGIN_PYTHON ?? 'python3';
const host = resolve(import.meta.dirname, '..', 'contract', 'host.py');

const MAX_OPEN_MS = 300;

let deployment: Deployment;
let prober: AnonymousProber;
let emptyToken: AnonymousProber;
const figures: string[] = [];

describe.skipIf(checkout === undefined)('the entrypoint and the real login node', () => {
  beforeEach(async () => {
    deployment = await Deployment.make();
    rmSync(deployment.node, { recursive: true });
    const isGit = (path: string) => path.endsWith('/.git');
    cpSync(checkout ?? '', deployment.node, { recursive: true, filter: (path) => !isGit(path) });
    rmSync(deployment.key, { force: true });
    deployment.setPython(`PYTHONDONTWRITEBYTECODE=1 exec '${realPython}' "$@"`);
    writeFileSync(deployment.password, `${cheapHash(freshPassword())}\nada`);
    prober = new AnonymousProber(deployment.port);
    emptyToken = new AnonymousProber(deployment.port, '/system_stats?token=');
  });

  afterEach(({ task }) => {
    prober.stop();
    emptyToken.stop();
    figures.push(`${task.name}: ${prober.oks} + ${emptyToken.oks} answers of 200, ${prober.openMs} ms open`);
    deployment.remove();
  });

  afterAll(() => console.log(figures.join('\n')));

  const serve = (flags: string[] = []) => [
    ...['run', '--', deployment.python, '-u', host, deployment.comfyui],
    ...['--port', String(deployment.port), ...flags],
  ];

  test('is proven, with the form, and stops cleanly', async () => {
    const running = deployment.start(serve(), { COMFYUI_PASSWORD: freshPassword() });
    await running.said(/^ready/m);
    expect(deployment.health()).toMatchObject({
      state: 'READY',
      checks: expect.arrayContaining([expect.objectContaining({ id: 'password', verdict: 'pass' })]),
    });
    expect(running.output).toContain('use token=[secret]');
    expect(await running.stop()).toBe(0);
    expect(prober.oks + emptyToken.oks).toBe(0);
  });

  test('O1 with a credential handed in: the file is put right, and proven', async () => {
    writeFileSync(deployment.password, Buffer.from([0xff, 0x0a]));
    const running = deployment.start(serve(), { COMFYUI_PASSWORD: freshPassword() });
    await running.said(/^ready/m);
    expect(await running.stop()).toBe(0);
    expect(prober.oks + emptyToken.oks).toBe(0);
  });

  describe('known before the start: 78, and nobody is let in', () => {
    const key = (content: string) => () => writeFileSync(deployment.key, content);
    test.each<[string, () => void, (() => string[])?]>([
      ['O1 PASSWORD not UTF-8', () => writeFileSync(deployment.password, Buffer.from([0xff, 0x0a]))],
      ['O2 PASSWORD a folder', () => passwordAsFolder()],
      ['O5 an empty session key', key('')],
      ['O6 a time zone in its date', key(`${'A'.repeat(43)}=,2026-01-01T00:00:00+00:00`)],
      ['O7 no Fernet key', key(`x,${new Date().toISOString().slice(0, 19)}`)],
      ['O8 the packages missing', () => deployment.setPython(`exec '${realPython}' -S "$@"`)],
      ['O9 another base folder', () => undefined, () => ['--base-directory', otherBase()]],
      ['O10 all custom nodes off', () => undefined, () => ['--disable-all-custom-nodes']],
      ['O11 the node disabled', () => renameSync(deployment.node, `${deployment.node}.disabled`)],
      ['O11 the node absent', () => rmSync(deployment.node, { recursive: true })],
    ])('%s', async (_, spoil, flags) => {
      spoil();
      const { code, output } = await deployment.end(serve(flags?.()));
      expect(code).toBe(78);
      expect(output).not.toMatch(/^starting/m);
      expect(prober.oks + emptyToken.oks).toBe(0);
    });
  });

  describe('broken after the checks: killed, 76', () => {
    const key = (content: string) => `printf '%s' '${content}' > '${deployment.key}'`;
    test.each<[string, () => string, (() => string)?]>([
      ['O1 PASSWORD not UTF-8', () => `printf '\\377\\n' > '${deployment.password}'`],
      ['O2 PASSWORD a folder', () => `rm '${deployment.password}'; mkdir '${deployment.password}'`],
      ['O5 an empty session key', () => key('')],
      ['O6 a time zone in its date', () => key(`${'A'.repeat(43)}=,2026-01-01T00:00:00+00:00`)],
      ['O7 no Fernet key', () => key(`x,${new Date().toISOString().slice(0, 19)}`)],
      ['O8 a package fails', () => `export PYTHONPATH='${brokenPackage('bcrypt')}'`],
      ['O9 another base folder', () => ':', () => `--base-directory '${otherBase()}'`],
      ['O10 all custom nodes off', () => ':', () => '--disable-all-custom-nodes'],
      ['O11 the node disabled', () => `mv '${deployment.node}' '${deployment.node}.disabled'`],
      ['F1 PASSWORD removed', () => `rm '${deployment.password}'`],
      ['F2 PASSWORD emptied', () => `: > '${deployment.password}'`],
    ])('%s', async (_, spoil, flags) => {
      const server = `'${deployment.python}' -u '${host}' '${deployment.comfyui}' --port ${deployment.port}`;
      const line = `${spoil()}; exec ${server} ${flags?.() ?? ''}`;
      const { code, output } = await deployment.end(['run', '--', 'sh', '-c', line]);
      expect(output).toMatch(/^open: /m);
      expect(code).toBe(76);
      expect(prober.openMs).toBeLessThanOrEqual(MAX_OPEN_MS);
      expect(emptyToken.openMs).toBeLessThanOrEqual(MAX_OPEN_MS);
    });
  });
});

function passwordAsFolder(): void {
  rmSync(deployment.password);
  mkdirSync(deployment.password);
}

function otherBase(): string {
  const base = join(deployment.folder, 'base');
  if (!existsSync(base)) mkdirSync(join(base, 'custom_nodes'), { recursive: true });
  return base;
}

/** A folder for PYTHONPATH in which a package cannot be imported. */
function brokenPackage(name: string): string {
  const folder = join(deployment.folder, 'broken');
  mkdirSync(folder);
  writeFileSync(join(folder, `${name}.py`), 'raise ImportError("broken on purpose")\n');
  return folder;
}
