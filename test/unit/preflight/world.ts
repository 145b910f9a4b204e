import { chmodSync, mkdirSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { onTestFinished } from 'vitest';
import { readComfyUiArgs } from '../../../entrypoint/comfyui-args.ts';
import type { PreflightCheck, PreflightResult, PreflightWorld } from '../../../entrypoint/preflight/check.ts';
import { runChecks } from '../../../entrypoint/preflight/run-checks.ts';
import { nodeProcess } from '../../../src/platform/process.ts';

/** A folder of its own, which goes with the test. */
export function scratch(): string {
  const folder = mkdtempSync(join(tmpdir(), 'preflight-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  // Whoever a test plays must be able to come here.
  chmodSync(folder, 0o755);
  return folder;
}

/** Lays a file, and the folders above it. */
export function lay(path: string, content: string | Buffer = '', mode = 0o644): string {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
  chmodSync(path, mode);
  return path;
}

export interface Laid extends PreflightWorld {
  folder: string;
  comfyui: string;
}

const self = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };

/** A ComfyUI in which all is well, on a system of plain files; a test changes what it is about. */
export function world(
  more: Partial<Omit<PreflightWorld, 'env' | 'argv'>> & {
    env?: Record<string, string>;
    options?: string[];
  } = {},
): Laid {
  const { options = [], env: given = {}, ...rest } = more;
  const folder = scratch();
  const comfyui = join(folder, 'ComfyUI');
  const root = join(folder, 'root');
  for (const name of ['output', 'input', 'temp', 'user', 'models', 'login'])
    mkdirSync(join(comfyui, name), { recursive: true });
  lay(join(root, 'proc/1/cmdline'), 'tini\0-s\0--\0node\0');
  lay(join(root, 'proc/meminfo'), 'MemTotal:       65000000 kB\n');
  lay(join(root, 'usr/share/zoneinfo/UTC'));
  mkdirSync(join(root, 'dev/shm'), { recursive: true });
  mkdirSync(join(folder, 'run'));
  const argv = ['python', '-u', 'main.py', '--listen', '127.0.0.1', '--port', '1', ...options];
  const env = { PATH: '/usr/bin:/bin', ...given };
  const { signal } = new AbortController();
  const args = readComfyUiArgs(argv, { port: 1 });
  return {
    folder,
    comfyui,
    settings: { comfyuiDir: comfyui, mode: 'protected', expose: 'direct' },
    argv,
    args,
    listens: [args],
    env,
    self,
    owner: self,
    python: { python: 'python3', comfyuiDir: comfyui, env, process: nodeProcess, signal },
    facts: {
      version: '3.11.7',
      machine: 'x86_64',
      versions: { torch: '2.5.1+cu124', torchvision: '0.20.1+cu124', torchaudio: '2.5.1+cu124' },
    },
    runDir: join(folder, 'run'),
    pid: 7,
    root,
    statfs: async (path) => statfsSync(path),
    redact: (text) => text,
    signal,
    ...rest,
  };
}

/** Runs one check. */
export async function look(check: PreflightCheck, at: PreflightWorld): Promise<PreflightResult> {
  const [result] = await runChecks([check], at);
  if (result === undefined) throw new Error('no result');
  return result;
}
