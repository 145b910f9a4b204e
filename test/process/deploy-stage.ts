import { spawn, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LOGIN_NODE, layComfyUi } from '../../src/stand-in/tree.ts';
import { CLI, cheapHash, cleanEnv, freshSecret, type Ran, runBundle } from './deployment.ts';

/**
 * The service as a program: `start` ends the process of before and starts one by what MODE of the `.env` says, `stop`
 * ends it. `good` is the stand-in; `open` lets anyone in; `mute` never listens; `fail` does not even start. With a file
 * `holds` the process keeps the output of its starter open.
 */
const SERVICE = `
import { spawn } from 'node:child_process';
import { createServer } from 'node:http';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
const [folder, port, cli, what] = process.argv.slice(2);
const pidFile = folder + '/pid';
const alive = (pid) => { try { process.kill(pid, 0); return !readFileSync('/proc/' + pid + '/stat', 'utf8').includes(') Z '); } catch { return false; } };
if (what === 'open') {
  createServer((request, response) => response.end(JSON.stringify({ system: {}, devices: [] }))).listen(Number(port), '127.0.0.1');
} else if (what === 'mute') {
  setInterval(() => undefined, 60000);
} else {
  if (existsSync(pidFile)) {
    const pid = Number(readFileSync(pidFile, 'utf8'));
    if (alive(pid)) process.kill(pid, 'SIGKILL');
    while (alive(pid)) await pause(5);
    rmSync(pidFile);
  }
  if (what === 'start') {
    const mode = existsSync(folder + '/always') ? readFileSync(folder + '/always', 'utf8')
      : /^MODE='?(\\w+)/m.exec(readFileSync(folder + '/.env', 'utf8'))?.[1] ?? 'good';
    if (mode === 'fail') process.exit(9);
    const [program, ...args] = mode === 'good'
      ? JSON.parse(readFileSync(folder + '/good.json', 'utf8'))
      : [process.execPath, process.argv[1], folder, port, cli, mode];
    const child = spawn(program, args, { detached: true, stdio: existsSync(folder + '/holds') ? 'inherit' : 'ignore' });
    child.unref();
    writeFileSync(pidFile, String(child.pid));
  }
}
`;

/** The program of a good server: the real node where COMFYUI_LOGIN_DIR names a checkout of it, else the stand-in. */
function goodServer(comfyui: string, port: number): string[] {
  const checkout = process.env.COMFYUI_LOGIN_DIR;
  if (checkout === undefined) {
    return [process.execPath, CLI, 'stand-in-python', join(comfyui, 'main.py'), '--port', String(port)];
  }
  cpSync(checkout, join(comfyui, LOGIN_NODE), { recursive: true });
  const host = join(import.meta.dirname, '..', 'contract', 'host.py');
  return [process.env.COMFYUI_LOGIN_PYTHON ?? 'python3', host, comfyui, '--port', String(port)];
}

/** A port of the loopback that was free a moment ago. */
export async function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

/** Resolves when something accepts connections at a port of the loopback. */
export async function listening(port: number): Promise<void> {
  for (;;) {
    const socket = connect(port, '127.0.0.1');
    const there = await new Promise((resolve) => {
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    });
    socket.destroy();
    if (there === true) return;
  }
}

/** One service in a folder of its own, restarted by a command; it runs, healthy, when it was made. */
export class RunningService {
  readonly root = realpathSync(mkdtempSync(join(tmpdir(), 'comfyui-auth-deploy-')));
  readonly password = freshSecret();
  readonly bearer = cheapHash(this.password);
  port = 0;

  /** `more` goes into the service's layout, e.g. to leave out how it is stopped. */
  static async start(
    more: { withoutStop?: boolean; passwordElsewhere?: boolean } = {},
  ): Promise<RunningService> {
    const service = new RunningService();
    service.port = await freePort();
    layComfyUi(service.path('comfyui'));
    service.write('service.mjs', SERVICE);
    service.write('good.json', JSON.stringify(goodServer(service.path('comfyui'), service.port)));
    service.write('comfyui/login/PASSWORD', `${service.bearer}\nadmin`);
    service.write(
      '.env',
      `MODE=good\nCOMFYUI_USERNAME=admin\nCOMFYUI_PASSWORD=${service.password}\nCOMFYUI_BEARER_TOKEN='${service.bearer}'\n`,
    );
    service.write('comfyui-auth.yml', service.layout(more));
    service.command('start');
    return service;
  }

  layout({ withoutStop = false, passwordElsewhere = false }): string {
    const call = (what: string) => JSON.stringify([process.execPath, ...this.#arguments(what)]);
    const stop = withoutStop ? '' : `, stop: ${call('stop')}`;
    return [
      'version: 1',
      'services:',
      '  comfyui:',
      `    url: http://127.0.0.1:${this.port}`,
      `    restart: { driver: command, command: ${call('start')}${stop} }`,
      '    env: { file: .env, readers: [dotenv] }',
      ...(passwordElsewhere
        ? []
        : ['    locations:', '      - { path: comfyui/login/PASSWORD, kind: password-file }']),
      '',
    ].join('\n');
  }

  #arguments(what: string): string[] {
    return [this.path('service.mjs'), this.root, String(this.port), CLI, what];
  }

  path(relative: string): string {
    return join(this.root, relative);
  }

  read(relative: string): string {
    return readFileSync(this.path(relative), 'utf8');
  }

  write(relative: string, text: string): void {
    mkdirSync(join(this.path(relative), '..'), { recursive: true });
    writeFileSync(this.path(relative), text, { mode: 0o600 });
  }

  /** Runs the service's own program: `start` or `stop`. */
  command(what: 'start' | 'stop'): void {
    spawnSync(process.execPath, this.#arguments(what), { env: cleanEnv() });
  }

  /** The process of the service; undefined where none was started, or it was ended. */
  get pid(): number | undefined {
    try {
      return Number(this.read('pid'));
    } catch {
      return undefined;
    }
  }

  /** Bytes of the files that hold the credential, and what else stands in the folder. */
  get files(): Record<string, string> {
    return { env: this.read('.env'), password: this.read('comfyui/login/PASSWORD') };
  }

  deploy(env: Record<string, string>, ...args: string[]): Ran {
    return this.run('deploy', env, '--timeout', '20s', ...args);
  }

  run(command: string, env: Record<string, string>, ...args: string[]): Ran {
    return runBundle(CLI, [command, '--root', this.root, '--json', ...args], { env });
  }

  /** A deploy in the background: what it says on stderr comes to `heard`. */
  begin(env: Record<string, string>, ...args: string[]) {
    return spawn(process.execPath, [CLI, 'deploy', '--root', this.root, '--json', ...args], {
      env: cleanEnv(env),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  }

  remove(): void {
    this.command('stop');
    rmSync(this.root, { recursive: true, force: true });
  }
}
