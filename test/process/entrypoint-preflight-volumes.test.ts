import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Deployment, freshPassword } from './entrypoint-harness.ts';

/** Mounts need root, and a name space of their own, so that they end with the test. */
const cannotMount = spawnSync('unshare', ['-m', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt']).status !== 0;

describe.skipIf(cannotMount)('real volumes', () => {
  let deployment: Deployment;
  beforeEach(async () => {
    deployment = await Deployment.make();
    for (const name of ['output', 'input', 'temp', 'user']) mkdirSync(join(deployment.comfyui, name));
  });
  afterEach(() => deployment.remove());

  /** Runs the entrypoint where some shell lines have mounted something; `$1` is ComfyUI's folder. */
  function behind(mounts: string, ...args: string[]): { code: number | null; stdout: string } {
    const script = `set -e; cd "$1"; ${mounts}; shift; exec "$@"`;
    const { status, stdout } = spawnSync(
      'unshare',
      ['-m', 'sh', '-c', script, 'sh', deployment.comfyui, process.execPath, ...deployment.argv(...args)],
      {
        env: deployment.env({ COMFYUI_PASSWORD: freshPassword(), COMFYUI_ARGS: '--cpu' }),
        encoding: 'utf8',
        timeout: 50_000,
      },
    );
    return { code: status, stdout };
  }

  const readOnly = (name: string) => `mount --bind ${name} ${name}; mount -o remount,ro,bind ${name}`;
  const small = (name: string, options: string) => `mount -t tmpfs -o ${options} tmpfs ${name}`;

  test.each<[string, string, number, RegExp]>([
    [
      'a login folder that is read-only',
      readOnly('login'),
      74,
      /login is mounted read-only.*writable, without `:ro`/,
    ],
    [
      'a full disk for the output',
      small('output', 'size=1m'),
      74,
      /output has 1\.0 MiB left.*free some space/,
    ],
    [
      'a disk without inodes',
      `${small('output', 'size=200m,nr_inodes=3')}; touch output/a output/b`,
      74,
      /output has 0 inodes left.*larger volume/,
    ],
  ])('%s ends the boot, with one line and before ComfyUI is started', (_name, mounts, exit, line) => {
    const { code, stdout } = behind(mounts, 'run');
    expect([code, stdout]).toEqual([exit, expect.stringMatching(line)]);
    const refused = stdout.split('\n').filter((text) => text.startsWith('refused: '));
    expect(refused).toHaveLength(1);
    expect(refused[0]).toContain('Remedy: ');
    expect(stdout).not.toMatch(/^starting: /m);
  });

  test.each<[string, string, string, RegExp]>([
    ['an output that is read-only', readOnly('output'), 'volumes-writable', /output is mounted read-only/],
    ['a small user folder', small('user', 'size=1m'), 'disk-space', /user has 1\.0 MiB left/],
  ])('%s warns, and the command ends with 0', (_name, mounts, id, message) => {
    const { code, stdout } = behind(mounts, 'preflight', '--json');
    const { checks } = JSON.parse(stdout) as {
      checks: { id: string; verdict: string; message: string; remedy?: string }[];
    };
    const failed = checks.filter(({ verdict }) => verdict === 'fail').map((one) => one.id);
    expect(checks.find((one) => one.id === id)).toMatchObject({
      severity: 'warning',
      verdict: 'fail',
      message: expect.stringMatching(message),
      remedy: expect.stringMatching(/\S/),
    });
    expect([code, failed]).toEqual([0, expect.arrayContaining([id])]);
  });
});
