import { statSync } from 'node:fs';
import { join } from 'node:path';
import type { ProcessPort } from '../src/platform/process.ts';
import { checkCapabilities } from './capabilities.ts';
import { childEnvironment } from './child-environment.ts';
import { type ComfyUiArgs, readComfyUiArgs } from './comfyui-args.ts';
import { Refusal } from './exit.ts';
import { freeLoopbackPort } from './expose/port.ts';
import { choosePython, type PythonContext } from './python.ts';
import type { Settings } from './settings.ts';

/** What is to be started, and what follows from its arguments. */
export interface Plan {
  settings: Settings;
  command: readonly [string, ...string[]];
  args: ComfyUiArgs;
  /** Where ComfyUI itself listens. */
  url: string;
  python: PythonContext;
}

/** The origin to ask with. With a `*` any will do, with none as well. */
export const originOf = ({ args }: Plan): string | undefined =>
  args.corsOrigin === '*' ? undefined : args.corsOrigin;

/** The outside world of a plan. */
interface PlanPorts {
  env: NodeJS.ProcessEnv;
  process: ProcessPort;
  /** Aborts whatever is asked of Python. */
  signal: AbortSignal;
}

/** Decides on the command, and reads what its arguments mean. Throws a `Refusal` (78) where it cannot be proven. */
export async function makePlan(
  settings: Settings,
  given: readonly string[],
  ports: PlanPorts,
): Promise<Plan> {
  const { comfyuiDir, user } = settings;
  if (!statSync(comfyuiDir, { throwIfNoEntry: false })?.isDirectory()) {
    throw new Refusal({
      code: 'comfyui-missing',
      message: `COMFYUI_DIR: ${comfyuiDir} is no folder`,
      remedy: 'set COMFYUI_DIR to the folder of ComfyUI’s main.py, or mount it there',
    });
  }
  if (user !== undefined) checkCapabilities(user);
  const python = choosePython(settings, given);
  const [program, ...words] = given;
  const command: Plan['command'] =
    program === undefined ? await comfyUi(settings, python) : [program, ...words];
  const args = readComfyUiArgs(command, { port: settings.port });
  checkArgs(args, settings);
  const context = { comfyuiDir, process: ports.process, signal: ports.signal };
  const env = childEnvironment(ports.env, comfyuiDir, user);
  return {
    settings,
    command,
    args,
    url: `http://${args.host}:${args.port}`,
    python: { python, env, ...context, ...(user !== undefined && { user }) },
  };
}

/** ComfyUI itself, where no command was given. Behind the relay it listens where only the container reaches it. */
async function comfyUi(settings: Settings, python: string): Promise<Plan['command']> {
  const { comfyuiDir, corsOrigin, verbose, args } = settings;
  if (!statSync(join(comfyuiDir, 'main.py'), { throwIfNoEntry: false })?.isFile()) {
    throw new Refusal({
      code: 'comfyui-missing',
      message: `COMFYUI_DIR: there is no main.py in ${comfyuiDir}`,
      remedy: 'set COMFYUI_DIR to the folder of ComfyUI’s main.py, or give a command behind `run --`',
    });
  }
  const relayed = settings.expose === 'relay';
  const host = relayed ? '127.0.0.1' : '0.0.0.0';
  const port = relayed ? await freeLoopbackPort(settings.port) : settings.port;
  return [
    ...([python, '-u', 'main.py'] as const),
    ...['--listen', host, '--port', String(port)],
    ...(corsOrigin === undefined ? [] : ['--enable-cors-header', corsOrigin]),
    ...(verbose ? ['--verbose', 'DEBUG'] : []),
    ...args,
  ];
}

function checkArgs(args: ComfyUiArgs, { expose, port }: Settings): void {
  if (args.tls) {
    throw new Refusal({
      code: 'tls-unsupported',
      message:
        '--tls-certfile: ComfyUI’s own TLS cannot be proven from inside, its certificate is not for the loopback',
      remedy: 'remove it, and put a reverse proxy with the certificate in front',
    });
  }
  if (expose === 'direct' || (args.onLoopback && args.port !== port)) return;
  throw new Refusal({
    code: 'relay-bypassed',
    message: args.onLoopback
      ? `EXPOSE_MODE=relay: the command listens at ${port} itself, the port that the relay opens`
      : 'EXPOSE_MODE=relay: the command lets others in past the relay, it does not listen on the loopback alone',
    remedy: `write --listen 127.0.0.1 and a --port other than COMFYUI_PORT (${port}) into the command`,
  });
}

/** What was set for ComfyUI's own command, and has no effect on one that was given. */
export function commandNotices(settings: Settings, command: readonly string[]): string[] {
  if (command.length === 0) return [];
  const why = 'is not used: a command was given behind `run --`, write it there';
  return [
    ...(settings.args.length > 0 ? [`COMFYUI_ARGS ${why}`] : []),
    ...(settings.corsOrigin === undefined ? [] : [`COMFYUI_CORS_ORIGIN ${why}`]),
    ...(settings.verbose ? [`VERBOSE_LOGGING ${why}`] : []),
  ];
}
