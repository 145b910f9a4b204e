import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type StandIn, startStandIn } from '../../src/stand-in/server.ts';
import { layComfyUi } from '../../src/stand-in/tree.ts';
import { freePort } from './deploy-stage.ts';
import { CLI, cheapHash, freshSecret, type Ran } from './deployment.ts';
import { StubDocker, type StubEvent } from './stub-docker.ts';

export const SERVICE = 'comfyui-qwen';
export const MONITOR = 'comfyui-qwen-idle-monitor';

/** What the container of the service runs: the stand-in, a server open to all, or nothing that listens. */
export type Content = 'good' | 'open' | 'mute';

/** One service behind a stub of Docker: what happens to its container happens to a server in this process. */
export class DockerDeployment {
  readonly docker = new StubDocker();
  readonly root = realpathSync(mkdtempSync(join(tmpdir(), 'comfyui-auth-docker-')));
  readonly password = freshSecret();
  readonly bearer = cheapHash(this.password);
  /** What the next process of the service is; `undefined`: what CONTENT of the `.env` says. */
  content: Content | undefined;
  /** Every event of the service's containers, in order. */
  readonly events: string[] = [];
  port = 0;
  #standIn: StandIn | undefined;
  #open: Server | undefined;
  #children: ChildProcess[] = [];

  static async make(running = true): Promise<DockerDeployment> {
    const one = new DockerDeployment();
    one.port = await freePort();
    layComfyUi(one.path('workspace'));
    one.write('workspace/login/PASSWORD', `${one.bearer}\nadmin`);
    one.write('compose.yml', `services:\n  ${SERVICE}:\n    image: local\n`);
    one.write(
      '.env',
      `CONTENT=good\nCOMFYUI_USERNAME=admin\nCOMFYUI_PASSWORD=${one.password}\nCOMFYUI_BEARER_TOKEN='${one.bearer}'\n`,
    );
    one.write(
      'comfyui-auth.yml',
      [
        'version: 1',
        'services:',
        `  ${SERVICE}:`,
        `    url: http://127.0.0.1:${one.port}`,
        `    restart: { driver: compose, file: compose.yml }`,
        '    env: { file: .env }',
        '    locations:',
        '      - { path: workspace/login/PASSWORD, kind: password-file }',
        '',
      ].join('\n'),
    );
    const mounts = [{ Type: 'bind', Source: one.path('workspace'), Destination: '/workspace/ComfyUI' }];
    one.docker.change((state) => {
      state.services[SERVICE] = { mounts };
      state.services[MONITOR] = {};
    });
    one.docker.add(MONITOR);
    await one.docker.serve((event) => one.#happens(event));
    if (running) {
      const now = new Date(Date.now() + 1000).toISOString();
      one.docker.add(SERVICE, { mounts, createdAt: now, startedAt: now });
      await one.#start('good');
    }
    return one;
  }

  async #happens({ verb, service }: StubEvent): Promise<void> {
    if (service !== SERVICE) return;
    this.events.push(verb);
    await this.#end();
    if (verb === 'kill') return;
    const said = /^CONTENT='?(\w+)/m.exec(this.read('.env'))?.[1] as Content | undefined;
    await this.#start(this.content ?? said ?? 'good');
  }

  /** Puts another server in the place of the one that runs, as a change inside of the container would. */
  async become(content: Content): Promise<void> {
    await this.#end();
    await this.#start(content);
  }

  async #start(content: Content): Promise<void> {
    if (content === 'good') {
      const comfyuiDir = this.path('workspace');
      this.#standIn = await startStandIn({ comfyuiDir, port: this.port, args: [], log: () => undefined });
    }
    if (content === 'open') {
      const body = JSON.stringify({ system: {}, devices: [] });
      this.#open = createServer((_, response) => response.end(body)).listen(this.port, '127.0.0.1');
      await once(this.#open, 'listening');
    }
  }

  async #end(): Promise<void> {
    await this.#standIn?.close();
    this.#standIn = undefined;
    const open = this.#open;
    this.#open = undefined;
    open?.closeAllConnections();
    if (open !== undefined) await new Promise((done) => open.close(done));
  }

  /** Whether anything serves at the service's port. */
  get serves(): boolean {
    return this.#standIn !== undefined || this.#open !== undefined;
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

  get files(): string[] {
    return [this.read('.env'), this.read('workspace/login/PASSWORD')];
  }

  /** Starts the program; it is ended with the deployment. */
  begin(command: string, env: Record<string, string>, ...args: string[]) {
    const child = spawn(process.execPath, [CLI, command, '--root', this.root, '--json', ...args], {
      env: { PATH: this.docker.path, HOME: this.root, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#children.push(child);
    return child;
  }

  /** Runs the program to its end: never blocking, for the containers live in this process. */
  async run(command: string, env: Record<string, string>, ...args: string[]): Promise<Ran> {
    const child = this.begin(command, env, ...args);
    const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
    if (child.exitCode === null) await once(child, 'close');
    return { code: child.exitCode, stdout, stderr, json: stdout === '' ? undefined : JSON.parse(stdout) };
  }

  /** Resolves when a program has said something on stderr. */
  async heard(child: ChildProcess, words: string): Promise<void> {
    if (child.stderr === null) return;
    for await (const line of createInterface({ input: child.stderr })) if (line.includes(words)) return;
  }

  async ended(child: ChildProcess): Promise<void> {
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  }

  deploy(env: Record<string, string>, ...args: string[]): Promise<Ran> {
    return this.run('deploy', env, '--timeout', '20s', ...args);
  }

  async remove(): Promise<void> {
    for (const child of this.#children) child.kill('SIGKILL');
    await this.#end();
    await this.docker.remove();
    rmSync(this.root, { recursive: true, force: true });
  }
}

async function text(stream: NodeJS.ReadableStream): Promise<string> {
  let all = '';
  for await (const chunk of stream) all += chunk;
  return all;
}
