// Provides PyTorch as a start of the container does, and nothing else: `host.ts [build | status | gc …]`.
import { execFileSync } from 'node:child_process';
import { asRefusal } from '../../../entrypoint/exit.ts';
import { createLog } from '../../../entrypoint/log.ts';
import type { PythonContext } from '../../../entrypoint/python.ts';
import {
  distributionsOf,
  provideTorch,
  readTorchCommand,
  readTorchLock,
  readTorchSettings,
  torchCacheCommand,
} from '../../../entrypoint/torch-cache/index.ts';
import { systemClock } from '../../../src/platform/clock.ts';
import { nodeProcess } from '../../../src/platform/process.ts';
import { Redactor } from '../../../src/platform/redact.ts';

/** What it says, one JSON object a line. */
export interface Event {
  event: string;
  message: string;
  [field: string]: unknown;
}

const FACTS = `
import json, platform, sys, sysconfig
from importlib import metadata
def version(name):
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
print(json.dumps({"version": platform.python_version(), "tag": "cp%d%d" % sys.version_info[:2],
    "machine": platform.machine(), "libc": "-".join(platform.libc_ver()).strip("-"),
    "sitePackages": sysconfig.get_paths()["purelib"], "versions": {name: version(name) for name in sys.argv[1:]}}))
`;

const { env, stdout } = process;
const stopping = new AbortController();
process.on('SIGTERM', () => stopping.abort(new Error('stop')));

async function main(args: string[]): Promise<number> {
  const log = createLog({
    format: 'json',
    redactor: new Redactor(),
    now: systemClock.now,
    write: (line) => stdout.write(line),
  });
  try {
    const settings = readTorchSettings(env);
    const lock = readTorchLock(settings);
    const python = env.HOST_PYTHON ?? 'python3';
    const distributions = lock === undefined ? [] : distributionsOf(lock);
    const uid = env.HOST_UID === undefined ? undefined : Number(env.HOST_UID);
    const context: PythonContext = {
      python,
      comfyuiDir: '/',
      env,
      process: nodeProcess,
      signal: stopping.signal,
      ...(uid !== undefined && { user: { uid, gid: uid } }),
    };
    const facts = JSON.parse(execFileSync(python, ['-c', FACTS, ...distributions], { encoding: 'utf8' }));
    const owner = { uid: uid ?? process.getuid?.() ?? 0, gid: uid ?? process.getgid?.() ?? 0 };
    const ports = { settings, lock, context, facts, owner, clock: systemClock, log };
    if (args.length > 0) {
      const command = readTorchCommand(args);
      return command === undefined
        ? 64
        : await torchCacheCommand(command, { ...ports, write: (text) => stdout.write(text) });
    }
    const provided = await provideTorch(ports);
    log.info('provided', provided.tier, provided.env);
    return 0;
  } catch (error) {
    if (stopping.signal.aborted) return 0;
    const { code, exit, message, remedy } = asRefusal(error);
    log.error('refused', message, { code, exitCode: exit, remedy });
    return exit;
  }
}

main(process.argv.slice(2)).then((code) => process.exit(code));
