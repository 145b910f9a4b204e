import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { expect } from 'vitest';
import { startStandIn } from '../../src/stand-in/server.ts';
import { LOGIN_NODE, layComfyUi } from '../../src/stand-in/tree.ts';
import { CLI, cheapHash, cleanEnv, Deployment, freshSecret, PATHS, type Ran } from './deployment.ts';
import { expectSilent } from './silence.ts';
import { type StubContainer, StubDocker } from './stub-docker.ts';

export const SERVICE = 'comfyui-qwen';
export const CONTAINER = `project-${SERVICE}-1`;

/** Steps, verdicts and words of one diagnosis. */
export interface Diagnosis extends Ran {
  cause: string | null;
  verdict(id: string): string;
  evidence(id: string): string;
}

interface Closable {
  close(): Promise<unknown> | unknown;
}

/** A deployment in a container that a stub of docker describes, and a server behind its port. */
export class LiveStage {
  readonly tree = new Deployment();
  readonly stub = new StubDocker();
  readonly comfyui = dirname(dirname(this.tree.path(PATHS.password)));
  readonly #servers: Closable[] = [];
  readonly #canaries = [this.tree.password, this.tree.bearer, ...Object.values(this.tree.secrets)];
  port = 1;

  constructor() {
    layComfyUi(this.comfyui);
    this.change(PATHS.password, this.tree.read(PATHS.password));
    this.stub.change((state) => {
      state.services[SERVICE] = {};
    });
    this.layout();
  }

  /** Writes the layout for the port that is served. */
  layout(more = '', restart = `{ driver: compose, file: ${PATHS.compose}, service: ${SERVICE} }`): void {
    this.tree.write(
      'comfyui-auth.yml',
      `version: 1
services:
  ${SERVICE}:
    url: http://127.0.0.1:${this.port}
    ${more}
    restart: ${restart}
    env: { file: ${PATHS.env} }
    authority: ${PATHS.env}
    locations:
      - { path: ${PATHS.token}, kind: token-file, holds: bearer }
      - { path: ${PATHS.password}, kind: password-file }
`,
    );
  }

  /** Writes a file that was changed a day ago, long before the container was started. */
  change(path: string, text: string, changedAt = new Date(Date.now() - 86_400_000)): void {
    this.tree.write(path, text);
    utimesSync(this.tree.path(path), changedAt, changedAt);
  }

  /** The bearer of a password that is not this tree's; as secret as its own. */
  another(): string {
    const bearer = cheapHash(freshSecret());
    this.#canaries.push(bearer);
    return bearer;
  }

  /** Starts the stand-in in the tree's ComfyUI folder, and tells the layout its port. */
  async serve(args: string[] = [], alwaysRedirect = false, comfyuiDir = this.comfyui): Promise<void> {
    const server = await startStandIn({ comfyuiDir, port: 0, args, alwaysRedirect, log: () => undefined });
    this.#servers.push(server);
    this.use(server.port);
  }

  /** Another server is to be asked; it is closed in the end. */
  use(port: number, server?: Closable): void {
    if (server !== undefined) this.#servers.push(server);
    this.port = port;
    this.layout();
  }

  /** A port on which nothing listens. */
  async useNothing(): Promise<void> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    server.close();
    await once(server, 'close');
    this.use(typeof address === 'object' && address !== null ? address.port : 1);
  }

  withoutNode(): void {
    rmSync(join(this.comfyui, LOGIN_NODE), { recursive: true });
  }

  /** The container as compose makes it from this tree, healthy; `more` is what is wrong with it. */
  contain(more: Partial<StubContainer> = {}): string {
    const folder = dirname(this.tree.path(PATHS.compose));
    return this.stub.add(SERVICE, {
      workingDir: folder,
      env: this.env(),
      mounts: [{ Type: 'bind', Source: join(folder, 'workspace'), Destination: '/workspace/ComfyUI' }],
      ports: this.ports(),
      ...more,
    });
  }

  ports(HostIp = '127.0.0.1', port = this.port): StubContainer['ports'] {
    return { '8188/tcp': [{ HostIp, HostPort: String(port) }] };
  }

  /** The environment that compose gives the container from the `.env`. */
  env(bearer = this.tree.bearer): string[] {
    const { password, secrets } = this.tree;
    return [
      'PATH=/usr/bin',
      'COMFYUI_USERNAME=admin',
      `COMFYUI_PASSWORD=${password}`,
      `COMFYUI_BEARER_TOKEN=${bearer}`,
      `HF_TOKEN=${secrets.hf}`,
    ];
  }

  /** What a verb of docker that the stub does not know prints. */
  says(verb: 'top' | 'logs' | 'exec' | 'container', stdout: string, exit = 0): void {
    this.stub.change((state) => {
      state.on[verb] = { stdout, exit };
    });
  }

  /** Runs a command beside this process, whose servers go on answering; nothing that it says holds a secret. */
  async run(command: string, args: string[] = [], env: Record<string, string> = {}): Promise<Ran> {
    const argv = [CLI_BUNDLE, command, '--root', this.tree.root, ...args];
    const child = spawn(process.execPath, argv, { env: cleanEnv({ PATH: this.stub.path, ...env }) });
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (chunk) => {
      stdout += chunk;
    });
    child.stderr.on('data', (chunk) => {
      stderr += chunk;
    });
    const [code] = await once(child, 'close');
    expectSilent(stdout + stderr, this.#canaries);
    return { code, stdout, stderr, json: stdout.startsWith('{') ? JSON.parse(stdout) : undefined };
  }

  async doctor(...args: string[]): Promise<Diagnosis> {
    const ran = await this.run('doctor', ['--json', '--timeout', '5s', ...args]);
    expect(ran.json?.services, ran.stdout + ran.stderr).toHaveLength(1);
    const [{ steps, cause }] = ran.json.services;
    const of = (id: string) => steps.find((one: { id: string }) => one.id === id);
    return { ...ran, cause, verdict: (id) => of(id).verdict, evidence: (id) => of(id).evidence };
  }

  async remove(): Promise<void> {
    for (const server of this.#servers) await server.close();
    await this.stub.remove();
    this.tree.remove();
  }

  /** A folder of its own, e.g. another checkout. */
  folder(name: string): string {
    const path = join(this.stub.folder, name);
    mkdirSync(path, { recursive: true });
    return path;
  }

  writeAt(path: string, text: string): void {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }
}

const CLI_BUNDLE = process.env.CLI_BUNDLE ?? CLI;
