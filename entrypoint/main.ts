import { parseArgs } from 'node:util';
import { systemClock } from '../src/platform/clock.ts';
import { nodeProcess } from '../src/platform/process.ts';
import { Redactor } from '../src/platform/redact.ts';
import { text } from './environment.ts';
import { asRefusal, ContainerExit, type Refusal } from './exit.ts';
import { checkHealth, chooseRunFolder, Health } from './health.ts';
import { createLog, type Log } from './log.ts';
import { run } from './run.ts';
import { lineAware } from './screen.ts';
import { secretsIn } from './settings.ts';
import { Signals } from './signals.ts';

declare const __VERSION__: string;

const USAGE = `comfyui-auth entrypoint ${__VERSION__}

  run [-- command…]     write the credential, start ComfyUI (or the command), prove it, watch it
  healthcheck [--live]  exit 0 where ComfyUI is ready and proven; --live: where the entrypoint is there
  --help, --version

Settings come from the environment: COMFYUI_DIR, COMFYUI_PASSWORD (or COMFYUI_PASSWORD_FILE), …
`;

const { env, stdout, stderr } = process;

async function main(argv: string[]): Promise<number> {
  const [name, ...rest] = argv;
  switch (name) {
    case 'run':
      if (rest.length > 0 && rest[0] !== '--') return wrongUsage('a command stands behind `run --`');
      if (rest.length === 1) return wrongUsage('there is no command behind `run --`');
      return await runFromEnvironment(rest.slice(1));
    case 'healthcheck':
      return healthcheck(rest);
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

/** Wires a run to this process: its streams, its signals, its environment. */
async function runFromEnvironment(command: string[]): Promise<number> {
  const redactor = new Redactor();
  redactor.add(...secretsIn(env));
  const screen = lineAware(stdout);
  const log = createLog({
    format: text(env, 'LOG_FORMAT') === 'json' ? 'json' : 'text',
    redactor,
    now: systemClock.now,
    write: screen.writeLine,
  });
  let health: Health | undefined;
  try {
    const self = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
    const runFolder = chooseRunFolder(text(env, 'RUN_DIR'));
    health = new Health(runFolder, systemClock.now, (message) => log.warning('health', message));
    log.info('start', `comfyui-auth ${__VERSION__}, health in ${runFolder}`, {
      version: __VERSION__,
      runDir: runFolder,
    });
    const signals = new Signals();
    signals.listen((signal) => log.info('signal-ignored', `${signal} asks for nothing here`));
    const code = await run(command, {
      env,
      self,
      runFolder,
      process: nodeProcess,
      clock: systemClock,
      redactor,
      stdout: screen.stream,
      stderr: lineAware(stderr).stream,
      signals,
      health,
      log,
    });
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

function tellRefusal(log: Log, { code, exit, message, remedy }: Refusal): void {
  log.error(
    exit === ContainerExit.open ? 'open' : 'refused',
    `${message}. Remedy: ${remedy}. (${code}, exit ${exit})`,
    {
      code,
      exitCode: exit,
      remedy,
    },
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
