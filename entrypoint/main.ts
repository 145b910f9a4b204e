import { constants } from 'node:os';
import { parseArgs } from 'node:util';
import { systemClock } from '../src/platform/clock.ts';
import { refuseTellingDebug } from '../src/platform/node-debug.ts';
import { nodeProcess } from '../src/platform/process.ts';
import { Redactor } from '../src/platform/redact.ts';
import { text } from './environment.ts';
import { asRefusal, ContainerExit, type Refusal } from './exit.ts';
import { checkHealth, chooseRunFolder, Health, lookForRunFolder } from './health.ts';
import { createLog, type Log } from './log.ts';
import { preflightExit, preflightJson, preflightText } from './preflight/report.ts';
import { preflight } from './preflight-command.ts';
import { run } from './run.ts';
import { lineAware } from './screen.ts';
import { secretsIn } from './settings.ts';
import { Signals, StopAsked } from './signals.ts';
import { torchCache } from './torch-command.ts';

declare const __VERSION__: string;

const USAGE = `comfyui-auth entrypoint ${__VERSION__}

  run [-- command…]         write the credential, start ComfyUI (or the command), prove it, watch it
  preflight [--json] [-- command…]
                            look at all that a start needs, and at what takes longer; changes nothing
  healthcheck [--live]      exit 0 where ComfyUI is ready and proven; --live: where the entrypoint is there
  torch-cache build | status [--json] | gc
                            fill the PyTorch cache for the next start, look at it, remove what is old
  --help, --version

Settings come from the environment: COMFYUI_DIR, COMFYUI_PASSWORD (or COMFYUI_PASSWORD_FILE), …
`;

const { env, stdout, stderr } = process;

async function main(argv: string[]): Promise<number> {
  const [name, ...rest] = argv;
  switch (name) {
    case 'run': {
      const command = commandBehind(rest);
      return command === undefined ? wrongUsage('a command stands behind `run --`') : await runHere(command);
    }
    case 'preflight': {
      const json = rest[0] === '--json';
      const command = commandBehind(json ? rest.slice(1) : rest);
      return command === undefined
        ? wrongUsage('preflight takes --json, and a command behind `--`')
        : await preflightHere(command, json);
    }
    case 'healthcheck':
      return healthcheck(rest);
    case 'torch-cache':
      return await torchCacheHere(rest);
    case '--help':
    case '-h':
      stdout.write(USAGE);
      return 0;
    case '--version':
      stdout.write(`${__VERSION__}\n`);
      return 0;
    default:
      return wrongUsage(name === undefined ? 'a command is missing' : 'that is no command');
  }
}

/** The words behind `--`; none where there is nothing at all, undefined where it is written otherwise. */
function commandBehind(words: string[]): string[] | undefined {
  if (words.length === 0) return [];
  return words[0] === '--' && words.length > 1 ? words.slice(1) : undefined;
}

/** What was typed is not repeated: it could be a secret in the wrong place. */
function wrongUsage(why: string): number {
  stderr.write(`usage: ${why}\n\n${USAGE}`);
  return ContainerExit.usage;
}

function healthcheck(args: string[]): number {
  let live = false;
  try {
    live = parseArgs({ args, options: { live: { type: 'boolean' } } }).values.live ?? false;
  } catch {
    return wrongUsage('healthcheck takes --live, and nothing else');
  }
  const { healthy, message } = checkHealth(text(env, 'RUN_DIR'), live, new Date());
  stdout.write(`${message}\n`);
  return healthy ? 0 : 1;
}

/** What all commands share: who we are, what must stay secret, and where events go. */
function startHere(out: NodeJS.WriteStream) {
  const redactor = new Redactor();
  redactor.add(...secretsIn(env));
  const screen = lineAware(out);
  const log = createLog({
    format: text(env, 'LOG_FORMAT') === 'json' ? 'json' : 'text',
    redactor,
    now: systemClock.now,
    write: screen.writeLine,
  });
  const self = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
  return { screen, ports: { env, self, process: nodeProcess, clock: systemClock, redactor, log } };
}

/** Wires a run to this process: its streams, its signals, its environment. */
async function runHere(command: string[]): Promise<number> {
  // First of all: what comes before is done by Node, which ends, or opens its inspector.
  const signals = new Signals();
  let tellIgnored = (_signal: string): void => undefined;
  signals.listen((signal) => tellIgnored(signal));
  const { screen, ports } = startHere(stdout);
  const { log, redactor } = ports;
  tellIgnored = (signal) => log.info('signal-ignored', `${signal} asks for nothing here`);
  let health: Health | undefined;
  try {
    refuseTellingDebug(env);
    const runFolder = chooseRunFolder(text(env, 'RUN_DIR'));
    health = new Health(runFolder, systemClock.now, (message) => log.warning('health', message));
    log.info('start', `comfyui-auth ${__VERSION__}, health in ${runFolder}`, {
      version: __VERSION__,
      runDir: runFolder,
    });
    const streams = { stdout: screen.stream, stderr: lineAware(stderr).stream };
    const code = await run(command, { ...ports, ...streams, runFolder, signals, health });
    health.close(`exit ${code}`);
    log.info('exit', `ended with ${code}`, { exitCode: code });
    return code;
  } catch (error) {
    const refusal = asRefusal(error);
    health?.close(redactor.redact(refusal.message));
    tellRefusal(log, refusal);
    return refusal.exit;
  }
}

/** The result is what stdout is for; events go to stderr. */
async function preflightHere(command: string[], json: boolean): Promise<number> {
  const { ports } = startHere(stderr);
  const running = checkHealth(text(env, 'RUN_DIR'), true, new Date()).healthy;
  const runFolder = lookForRunFolder(text(env, 'RUN_DIR'));
  return interruptible(ports.log, async (signal) => {
    const results = await preflight(command, { ...ports, runFolder, signal }, running);
    stdout.write(json ? preflightJson(results) : preflightText(results));
    return preflightExit(results);
  });
}

async function torchCacheHere(args: string[]): Promise<number> {
  const { ports } = startHere(stderr);
  const write = (words: string) => stdout.write(words);
  return interruptible(ports.log, (signal) => torchCache(args, { ...ports, signal, write }));
}

/** Does something that a signal cuts off; it then ends as whoever was killed by that signal. */
async function interruptible(log: Log, act: (signal: AbortSignal) => Promise<number>): Promise<number> {
  const signals = new Signals();
  signals.listen(() => undefined);
  try {
    refuseTellingDebug(env);
    return await act(signals.stop);
  } catch (error) {
    const { reason } = signals.stop;
    if (reason instanceof StopAsked) return 128 + constants.signals[reason.signal];
    const refusal = asRefusal(error);
    tellRefusal(log, refusal);
    return refusal.exit;
  }
}

function tellRefusal(log: Log, { code, exit, message, remedy }: Refusal): void {
  log.error(
    exit === ContainerExit.open ? 'open' : 'refused',
    `${message}. Remedy: ${remedy.replace(/\.$/, '')}. (${code}, exit ${exit})`,
    { code, exitCode: exit, remedy },
  );
}

// A reader of the log that goes away is no reason to leave ComfyUI unwatched.
stdout.on('error', () => undefined);
stderr.on('error', () => undefined);

// Node would print the error with what it was working on, which may be a secret.
process.on('uncaughtException', () => {
  stderr.write('internal: an error of the entrypoint itself\n');
  process.exit(ContainerExit.internal);
});

main(process.argv.slice(2)).then((code) => process.exit(code));
