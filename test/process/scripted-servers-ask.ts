import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CLI, cleanEnv } from './deployment.ts';
import { BEARER, PASSWORD } from './scripted-servers.ts';
import { type GateDeployment, gateDeployment } from './scripted-servers-deployment.ts';
import { expectSilent } from './silence.ts';

export interface Asked {
  code: number | null;
  status: string;
  /** The codes of the findings. */
  codes: string[];
  /** What each check was, by its id. */
  checks: Record<string, string>;
  // biome-ignore lint/suspicious/noExplicitAny: what the JSON holds is what each test asserts
  json: any;
  /** The most memory that the process held, in MB; known on Linux only. */
  mb: number;
}

export interface AskOptions extends GateDeployment {
  timeout?: string;
  env?: Record<string, string>;
  /** Is given all that stderr has said so far, whenever there is more. */
  onSaid?: (text: string) => void;
}

/**
 * What a process says at its end of the memory that it held; by then nobody else can tell. Not `resourceUsage()`: that
 * counts what its parent held when it was forked, too.
 */
const TELL_PEAK = `process.on('exit', () => {
  const status = process.platform === 'linux' ? require('fs').readFileSync('/proc/self/status', 'utf8') : '';
  process.stderr.write('peak ' + (/VmHWM:\\s*(\\d+)/.exec(status) ?? [])[1]);
});`;

/** Asks a server through the built command, and holds that nothing of the credential is in what it says. */
export async function ask(url: string, options: AskOptions = {}): Promise<Asked> {
  const root = gateDeployment(options);
  try {
    const tell = join(root, 'peak.cjs');
    writeFileSync(tell, TELL_PEAK);
    const args = ['probe', '--json', '--root', root, '--url', url, '--timeout', options.timeout ?? '20s'];
    const child = spawn(process.execPath, ['--require', tell, CLI, ...args], {
      env: cleanEnv(options.env),
      stdio: ['ignore', 'pipe', 'pipe'],
      // One that does not end says nothing, and fails its test.
      timeout: 40_000,
    });
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (chunk) => {
      stdout += chunk;
    });
    child.stderr.on('data', (chunk) => {
      stderr += chunk;
      options.onSaid?.(stderr);
    });
    const [code] = await once(child, 'close');
    expectSilent(stdout + stderr, [BEARER, PASSWORD]);
    const json = JSON.parse(stdout);
    const checks: { id: string; verdict: string }[] = json.services[0].checks;
    return {
      code,
      json,
      status: json.status,
      codes: json.findings.map((one: { code: string }) => one.code),
      checks: Object.fromEntries(checks.map(({ id, verdict }) => [id, verdict])),
      mb: Number(/peak (\d+)$/.exec(stderr)?.[1]) / 1024,
    };
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}
