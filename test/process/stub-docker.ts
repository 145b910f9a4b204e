import { randomBytes } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { STUB_PROGRAM } from './stub-docker-program.ts';

/*
 * A `docker` and a `docker-compose` that keep their containers in a file, for tests without an engine (T9).
 *
 *   const stub = new StubDocker();                       // engine up, Compose v2, no container
 *   stub.change((state) => { state.services[NAME] = {}; });      // what the compose file would hold
 *   stub.add(NAME, { status: 'running' });               // a container that is there already
 *   env.PATH = stub.path;                                // nothing but the stubs, and git and flock
 *   stub.change((state) => { state.on.up = { exit: 125, stderr: '…' }; });   // what a verb does instead
 *   await stub.serve(async (event) => { … });            // is told before containers start or end, and waited for
 *   stub.calls(), stub.state(); await stub.remove();
 *
 * Verbs: `compose-version`, `ps`, `up`, `restart`, `compose-kill`; of docker itself `version`, `inspect`, `kill`,
 * `rm`, `update`. An unknown one ends with 64. Whoever calls the programs must do so without blocking where `serve` is used.
 */

export interface StubContainer {
  id: string;
  service: string;
  name: string;
  status: string;
  createdAt: string;
  startedAt: string;
  exitCode: number;
  outOfMemory?: boolean;
  restarts: number;
  policy: string;
  oneOff: boolean;
  health?: string;
  workingDir?: string;
  /** As `docker inspect` prints them. */
  env: string[];
  mounts: { Type: string; Source: string; Destination: string }[];
  ports: Record<string, { HostIp: string; HostPort: string }[] | null>;
}

export interface StubBehaviour {
  /** Ends with this code; what the verb usually does is then left out. */
  exit?: number;
  /** Printed before. */
  stdout?: string;
  stderr?: string;
  /** Does not end by itself. */
  hang?: boolean;
  /** Only the next time. */
  once?: boolean;
  /** Does nothing, and reports success. */
  idle?: boolean;
  /** Acts on this service instead. */
  service?: string;
  /** Acts on the first of several containers only. */
  first?: boolean;
  /** The state that new or restarted containers come to, `running` where it is not given. */
  status?: string;
  /** These containers go away as soon as the verb has ended. */
  vanish?: boolean;
  /** Goes on when a file of this name is in the stub's folder. */
  until?: string;
}

export interface StubState {
  engine: 'up' | 'down' | 'forbidden';
  /** The engine's, 26.1.5 where it is not given. */
  version?: string;
  /** Which Compose is there: the plugin, `docker-compose` 1.x, `docker-compose` 2.x, none. */
  compose: 'plugin' | 'v1' | 'standalone' | 'none';
  /** The services of the compose file, and what their new containers are made of. */
  services: Record<string, Partial<StubContainer>>;
  containers: StubContainer[];
  on: Record<string, StubBehaviour>;
  /** Where events go. */
  hook?: string;
}

/** One start of a stub. */
export interface StubCall {
  verb: string;
  program: string;
  args: string[];
  cwd: string;
  env: Record<string, string>;
}

/** What happens to a service: its containers are about to start (`up`, `restart`), or have ended (`kill`). */
export interface StubEvent {
  verb: string;
  service: string;
}

export class StubDocker {
  readonly folder = mkdtempSync(join(tmpdir(), 'comfyui-auth-docker-'));
  readonly #bin = join(this.folder, 'bin');
  #server: Server | undefined;

  constructor() {
    mkdirSync(this.#bin);
    writeFileSync(join(this.folder, 'calls'), '');
    this.#write({ engine: 'up', compose: 'plugin', services: {}, containers: [], on: {} });
    for (const name of ['docker', 'docker-compose']) {
      const head = `#!${process.execPath}\nconst [FOLDER, PROGRAM] = ${JSON.stringify([this.folder, name])};\n`;
      writeFileSync(join(this.#bin, name), head + STUB_PROGRAM, { mode: 0o755 });
    }
    for (const name of ['git', 'flock']) {
      const folders = (process.env.PATH ?? '').split(delimiter);
      const real = folders.map((folder) => join(folder, name)).find(existsSync);
      if (real !== undefined) symlinkSync(real, join(this.#bin, name));
    }
  }

  /** A PATH on which no real docker lies. */
  get path(): string {
    return this.#bin;
  }

  state(): StubState {
    return JSON.parse(readFileSync(join(this.folder, 'state'), 'utf8'));
  }

  change(edit: (state: StubState) => void): void {
    const state = this.state();
    edit(state);
    this.#write(state);
  }

  /** Puts a container there, a running one of an hour ago unless `more` says otherwise; gives its id. */
  add(service: string, more: Partial<StubContainer> = {}): string {
    const then = new Date(Date.now() - 3_600_000).toISOString();
    const made: StubContainer = {
      id: randomBytes(32).toString('hex'),
      service,
      name: `project-${service}-1`,
      status: 'running',
      createdAt: then,
      startedAt: then,
      exitCode: 0,
      restarts: 0,
      policy: 'unless-stopped',
      oneOff: false,
      env: [],
      mounts: [],
      ports: {},
      ...more,
    };
    this.change((state) => state.containers.push(made));
    return made.id;
  }

  /** Takes one of the programs off PATH. */
  uninstall(name: 'docker' | 'docker-compose'): void {
    rmSync(join(this.#bin, name));
  }

  /** Every start so far, or those of one verb. */
  calls(verb?: string): StubCall[] {
    const lines = readFileSync(join(this.folder, 'calls'), 'utf8').split('\n').filter(Boolean);
    const calls = lines.map((line): StubCall => JSON.parse(line));
    return verb === undefined ? calls : calls.filter((one) => one.verb === verb);
  }

  /** Tells of every event; the stub goes on when `handler` is done. */
  async serve(handler: (event: StubEvent) => unknown): Promise<void> {
    const server = createServer(async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      await handler(JSON.parse(Buffer.concat(chunks).toString()));
      response.end();
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    this.#server = server;
    const { port } = server.address() as AddressInfo;
    this.change((state) => {
      state.hook = `http://127.0.0.1:${port}/`;
    });
  }

  async remove(): Promise<void> {
    const server = this.#server;
    if (server !== undefined) await new Promise((done) => server.close(done));
    rmSync(this.folder, { recursive: true, force: true });
  }

  #write(state: StubState): void {
    writeFileSync(join(this.folder, 'state'), JSON.stringify(state));
  }
}
