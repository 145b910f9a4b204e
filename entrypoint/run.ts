import { statSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import type { Writable } from 'node:stream';
import type { Owner } from '../src/model/layout.ts';
import { fingerprint } from '../src/model/secret.ts';
import type { Clock } from '../src/platform/clock.ts';
import type { ProcessPort } from '../src/platform/process.ts';
import type { Redactor } from '../src/platform/redact.ts';
import { type Child, startChild } from './child.ts';
import { type ComfyUiArgs, readComfyUiArgs } from './comfyui-args.ts';
import { type BootCredential, decideCredential } from './credential.ts';
import { ContainerExit, Refusal } from './exit.ts';
import type { Health } from './health.ts';
import type { Log } from './log.ts';
import { findLoginNode } from './login-node/find.ts';
import { loginFiles, provisionPassword, readDeployed } from './password-file.ts';
import { askPython, checkReadable, choosePython, type PythonContext } from './python.ts';
import { checkSessionKey, provisionSessionKey, sessionKeyPath } from './session-key.ts';
import { type Settings, scrubbed } from './settings.ts';
import { StopAsked, type Stopper } from './stop.ts';
import { supervise } from './supervise.ts';

/** The outside world of a run. */
export interface RunPorts {
  env: NodeJS.ProcessEnv;
  self: Owner;
  process: ProcessPort;
  clock: Clock;
  redactor: Redactor;
  stdout: Writable;
  stderr: Writable;
  stopper: Stopper;
  health: Health;
  log: Log;
}

/** What is to be started, and what follows from its arguments. */
interface Plan {
  settings: Settings;
  command: readonly [string, ...string[]];
  args: ComfyUiArgs;
  url: string;
  python: PythonContext;
}

/**
 * Writes the credential, starts ComfyUI, proves it, and watches it to its end. Gives the exit code of
 * container.md §3; throws a `Refusal` where it does not start or does not go on.
 */
export async function run(settings: Settings, command: readonly string[], ports: RunPorts): Promise<number> {
  try {
    const plan = makePlan(settings, command, ports);
    for (const notice of [...settings.notices, ...commandNotices(settings, command)]) {
      ports.log.warning('setting-unread', notice);
    }
    return settings.mode === 'open' ? await runOpen(plan, ports) : await runProtected(plan, ports);
  } catch (error) {
    // Asked to stop before there was anything to stop: that is a clean stop.
    if (error instanceof StopAsked || ports.stopper.asked.reason === error) return ContainerExit.stopped;
    throw error;
  }
}

function makePlan(settings: Settings, given: readonly string[], ports: RunPorts): Plan {
  const { comfyuiDir, user } = settings;
  if (!statSync(comfyuiDir, { throwIfNoEntry: false })?.isDirectory()) {
    throw new Refusal({
      code: 'comfyui-missing',
      message: `COMFYUI_DIR: ${comfyuiDir} is no folder`,
      remedy: 'set COMFYUI_DIR to the folder of ComfyUI’s main.py, or mount it there',
    });
  }
  const python = choosePython(settings, given);
  const [program, ...words] = given;
  const command: Plan['command'] = program === undefined ? comfyUi(settings, python) : [program, ...words];
  const args = readComfyUiArgs(command, { port: settings.port });
  if (args.tls) {
    throw new Refusal({
      code: 'tls-unsupported',
      message:
        '--tls-certfile: ComfyUI’s own TLS cannot be proven from inside, its certificate is not for the loopback',
      remedy: 'remove it, and put a reverse proxy with the certificate in front',
    });
  }
  const context = {
    comfyuiDir,
    env: scrubbed(ports.env),
    process: ports.process,
    signal: ports.stopper.asked,
  };
  return {
    settings,
    command,
    args,
    url: `http://${args.host}:${args.port}`,
    python: { python, ...context, ...(user !== undefined && { user }) },
  };
}

/** ComfyUI itself, where no command was given. */
function comfyUi({ comfyuiDir, port, corsOrigin, args }: Settings, python: string): Plan['command'] {
  if (!statSync(join(comfyuiDir, 'main.py'), { throwIfNoEntry: false })?.isFile()) {
    throw new Refusal({
      code: 'comfyui-missing',
      message: `COMFYUI_DIR: there is no main.py in ${comfyuiDir}`,
      remedy: 'set COMFYUI_DIR to the folder of ComfyUI’s main.py, or give a command behind `run --`',
    });
  }
  const cors = corsOrigin === undefined ? [] : ['--enable-cors-header', corsOrigin];
  return [python, '-u', 'main.py', '--listen', '0.0.0.0', '--port', String(port), ...cors, ...args];
}

function commandNotices(settings: Settings, command: readonly string[]): string[] {
  if (command.length === 0) return [];
  const why = 'is not used: a command was given behind `run --`, write it there';
  return [
    ...(settings.args.length > 0 ? [`COMFYUI_ARGS ${why}`] : []),
    ...(settings.corsOrigin === undefined ? [] : [`COMFYUI_CORS_ORIGIN ${why}`]),
  ];
}

async function runProtected(plan: Plan, ports: RunPorts): Promise<number> {
  const { settings, args, url, python } = plan;
  const { health, log, stopper, clock, redactor } = ports;
  const owner = settings.user ?? ports.self;

  health.enter('RESOLVE');
  const files = loginFiles(settings.comfyuiDir);
  const deployed = readDeployed(files);
  if (deployed !== undefined) redactor.add(deployed.bearer);
  const boot = decideCredential(settings.credential, deployed);
  redactor.add(boot.credential.bearer);

  health.enter('PREFLIGHT');
  const nodeFolder = findLoginNode(settings.comfyuiDir, args);
  const keyPath = sessionKeyPath(nodeFolder);
  checkSessionKey(keyPath);
  await checkPortFree(args);
  await askPython(python, { nodeFolder, distributions: [] });

  health.enter('PROVISION');
  provisionSessionKey(keyPath, owner, boot.changed);
  provisionPassword(files, boot.credential, owner, settings.guests);
  if (settings.user !== undefined) {
    await checkReadable(python, [files.password, keyPath]);
  }
  tellCredential(boot, log);

  const child = await spawnChild(plan, ports);
  const origin = args.corsOrigin === '*' ? undefined : args.corsOrigin;
  return supervise({
    child,
    target: {
      url,
      credential: boot.credential,
      guestModeAllowed: settings.guests,
      clock,
      ...(origin !== undefined && { origin }),
    },
    timeoutMs: settings.verifyTimeoutMs,
    intervalMs: settings.verifyIntervalMs,
    stopper,
    health,
    log,
  });
}

function tellCredential({ credential, origin, warnings }: BootCredential, log: Log): void {
  const name = fingerprint(credential.bearer);
  log.info('credential', `user ${credential.username}, bearer ${name}, ${origin}`, { fingerprint: name });
  for (const warning of warnings) log.warning('credential', warning);
}

/** A process that already answers there would be proven in ComfyUI's place. */
async function checkPortFree(args: ComfyUiArgs): Promise<void> {
  if (!(await accepts(args))) return;
  throw new Refusal({
    code: 'port-taken',
    message: `something answers at ${args.host}:${args.port} already`,
    remedy: 'end it, or set COMFYUI_PORT to a free port',
  });
}

function accepts({ host, port }: ComfyUiArgs): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: host.replace(/^\[|\]$/g, ''), port, timeout: 1000 });
    const end = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('connect', () => end(true));
    socket.once('error', () => end(false));
    socket.once('timeout', () => end(false));
  });
}

async function spawnChild({ settings, command, url, python }: Plan, ports: RunPorts): Promise<Child> {
  const { health, log, stopper, redactor, stdout, stderr } = ports;
  stopper.asked.throwIfAborted();
  health.enter('SPAWN');
  const child = await startChild({
    command,
    cwd: settings.comfyuiDir,
    env: python.env,
    redactor,
    stdout,
    stderr,
    ...(settings.user !== undefined && { user: settings.user }),
  });
  stopper.attach(child);
  health.enter('STARTING', { childPid: child.pid });
  log.info('starting', `${command[0]} is process ${child.pid}; waiting for ${url}`, {
    childPid: child.pid,
    url,
  });
  return child;
}

/** Without a login and without a proof, as the operator said twice. */
async function runOpen(plan: Plan, ports: RunPorts): Promise<number> {
  const { health, log, clock, stopper } = ports;
  const warning =
    'COMFYUI_LOGIN_ENABLED=false: ComfyUI runs WITHOUT A LOGIN and without a proof; whoever reaches it uses it';
  log.warning('unprotected', warning);
  const child = await spawnChild(plan, ports);
  while (child.alive() && !stopper.asked.aborted) {
    if (await accepts(plan.args)) {
      health.enter('READY', { reason: warning });
      log.warning('unprotected', `serving at ${plan.url} without a login`);
      break;
    }
    await Promise.race([clock.wait(250), child.ended]);
  }
  return child.ended;
}
