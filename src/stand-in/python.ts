import { once } from 'node:events';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import type { Writable } from 'node:stream';
import { readFlags } from './flags.ts';
import { GUARD_EXIT, GuardRefusal } from './guard.ts';
import { type StandIn, startStandIn } from './server.ts';

/** Versions that belong together, of a PyTorch for the processor. */
const TORCH: Record<string, string> = {
  torch: '2.8.0+cpu',
  torchvision: '0.23.0+cpu',
  torchaudio: '2.8.0+cpu',
};

/** What the entrypoint's question gets as its answer where everything is as it should be. */
function allIsWell({ distributions = [] }: { distributions?: string[] }) {
  const facts = {
    version: '3.12.0',
    tag: 'cp312',
    machine: 'x86_64',
    libc: 'glibc-2.36',
    sitePackages: resolve('venv', 'lib', 'python3.12', 'site-packages'),
    versions: Object.fromEntries(distributions.map((name) => [name, TORCH[name] ?? '1.0.0'])),
  };
  return { imports: {}, files: {}, keyCanBeMade: true, facts };
}

/**
 * What the reboot of ComfyUI-Manager does where something starts ComfyUI again: it leaves word, and ends (container.md
 * §2). Resolves when it was asked for.
 */
function managerReboot(): { rebooted: Promise<void>; reboot?: () => void } {
  const session = process.env.__COMFY_CLI_SESSION__;
  if (session === undefined) return { rebooted: new Promise(() => undefined) };
  let tell: () => void = () => undefined;
  const rebooted = new Promise<void>((resolve) => {
    tell = resolve;
  });
  const reboot = () => {
    writeFileSync(`${session}.reboot`, '');
    tell();
  };
  return { rebooted, reboot };
}

/** Where ComfyUI writes to. */
interface Streams {
  stdout: Writable;
  stderr: Writable;
}

/** Serves until SIGINT, as ComfyUI does, or until a reboot; SIGTERM ends the process without a word. */
async function serve(mainFile: string, args: string[], { stdout, stderr }: Streams): Promise<number> {
  const flags = readFlags(args);
  const interrupted = once(process, 'SIGINT');
  const { rebooted, reboot } = managerReboot();
  const started: StandIn | GuardRefusal = await startStandIn({
    comfyuiDir: dirname(resolve(mainFile)),
    host: flags.listen.split(',')[0] ?? flags.listen,
    port: flags.port,
    args,
    ...(reboot !== undefined && { reboot }),
    log: (line) => stderr.write(`${line}\n`),
    onEvent: (line) => stdout.write(`${line}\n`),
  }).catch((error: unknown) => {
    if (error instanceof GuardRefusal) return error;
    throw error;
  });
  if (started instanceof GuardRefusal) {
    stderr.write(`${started.message}\n`);
    return GUARD_EXIT;
  }
  if (started.reload !== undefined) process.on('SIGHUP', started.reload);
  await Promise.race([interrupted, rebooted]);
  stderr.write('\nStopped server\n');
  await started.close();
  return 0;
}

/** Runs no script; answers a question, and reads the files that it was given, as far as the system lets this process. */
function runScript(args: string[], stdout: Writable, stderr: Writable): number {
  const [question = '{}'] = args.filter((word) => word.startsWith('{'));
  try {
    for (const path of args) if (statSync(path, { throwIfNoEntry: false })?.isFile()) readFileSync(path);
    stdout.write(`${JSON.stringify(allIsWell(JSON.parse(question)))}\n`);
    return 0;
  } catch (error) {
    stderr.write(`PermissionError: ${error instanceof Error ? error.message : ''}\n`);
    return 1;
  }
}

/**
 * Acts as the Python of a ComfyUI that has all packages: `[-u] main.py …` serves, `-c …` says that all is well.
 * Gives the exit code.
 */
export async function standInPython(
  argv: readonly string[],
  stdout: Writable,
  stderr: Writable,
): Promise<number> {
  const at = argv.findIndex((word) => word === '-c' || !word.startsWith('-'));
  const word = argv[at];
  if (word === '-c') return runScript(argv.slice(at + 2), stdout, stderr);
  if (word !== undefined && basename(word) === 'main.py')
    return serve(word, argv.slice(at + 1), { stdout, stderr });
  if (argv.includes('--version')) {
    stdout.write('Python 3.12.0\n');
    return 0;
  }
  stderr.write('The stand-in for Python runs main.py and -c only.\n');
  return 2;
}
