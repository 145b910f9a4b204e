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
      writeFileSync(join(this.#bin, name), head + PROGRAM, { mode: 0o755 });
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

/** Both programs; `FOLDER` and `PROGRAM` are defined before it. */
const PROGRAM = String.raw`
const { randomBytes } = require('node:crypto');
const { appendFileSync, existsSync, readFileSync, watch, writeFileSync } = require('node:fs');
const { join } = require('node:path');
const { request } = require('node:http');

const load = () => JSON.parse(readFileSync(join(FOLDER, 'state'), 'utf8'));
const state = load();
const save = () => writeFileSync(join(FOLDER, 'state'), JSON.stringify(state));
const given = process.argv.slice(2);
const isCompose = PROGRAM === 'docker-compose' || given[0] === 'compose';
const args = given.slice(PROGRAM === 'docker' && isCompose ? 1 : 0);
if (args[0] === '-f') args.splice(0, 2);
const [name = '', ...rest] = args;
const verb = isCompose && ['version', 'kill'].includes(name) ? 'compose-' + name : name;
const behaviour = state.on[verb] ?? {};
const named = rest.filter((word) => !word.startsWith('-'));
const flag = (word) => rest.includes(word);

appendFileSync(
  join(FOLDER, 'calls'),
  JSON.stringify({ verb, program: PROGRAM, args: given, cwd: process.cwd(), env: process.env }) + '\n',
);

function end(code, stderr = '') {
  if (stderr !== '') process.stderr.write(stderr + '\n');
  process.exitCode = code;
}

/** The test may change the state while it is told. */
async function tell(event) {
  if (state.hook === undefined) return;
  save();
  await new Promise((done, failed) => {
    const asked = request(state.hook, { method: 'POST' }, (answer) => answer.resume().on('end', done));
    asked.on('error', failed).end(JSON.stringify(event));
  });
  Object.assign(state, load());
}

const there = (ids) => state.containers.filter((one) => ids.includes(one.id));
const of = (service) => state.containers.filter((one) => one.service === service && !one.oneOff);
const missing = (ids) => ids.filter((id) => there([id]).length === 0);

const described = (one) => ({
  Id: one.id,
  Name: '/' + one.name,
  Created: one.createdAt,
  RestartCount: one.restarts,
  State: {
    Status: one.status,
    Running: one.status === 'running',
    OOMKilled: one.outOfMemory === true,
    ExitCode: one.exitCode,
    StartedAt: one.startedAt,
    ...(one.health && { Health: { Status: one.health } }),
  },
  HostConfig: { RestartPolicy: { Name: one.policy } },
  Mounts: one.mounts,
  Config: {
    Env: one.env,
    Labels: {
      'com.docker.compose.project': 'project',
      'com.docker.compose.service': one.service,
      'com.docker.compose.oneoff': one.oneOff ? 'True' : 'False',
      ...(one.workingDir && { 'com.docker.compose.project.working_dir': one.workingDir }),
    },
  },
  NetworkSettings: { Ports: one.ports },
});

function start(one) {
  one.status = behaviour.status ?? 'running';
  one.startedAt = new Date().toISOString();
}

const VERBS = {
  'compose-version': () => console.log({ v1: '1.29.2', standalone: '2.26.1' }[state.compose] ?? '2.26.1'),
  version: () => console.log('26.1.5'),
  ps() {
    const early = state.compose === 'v1';
    const all = early || flag('-a');
    const shown = state.containers.filter(
      (one) =>
        named.includes(one.service) &&
        (one.oneOff ? early && (flag('-a') || one.status === 'running') : all || one.status === 'running'),
    );
    for (const one of shown) console.log(one.id);
    if (behaviour.vanish) state.containers = state.containers.filter((one) => !shown.includes(one));
  },
  async up() {
    const service = behaviour.service ?? named[0];
    await tell({ verb, service });
    const old = of(service);
    // A Compose that was cut off made this one, under the name that the next would take.
    const unborn = old.find((one) => one.status === 'created' && old.length > 1);
    if (unborn !== undefined)
      return end(1, 'Error response from daemon: Conflict. The container name is in use by ' + unborn.id);
    if (old.length > 0 && !flag('--force-recreate')) return;
    state.containers = state.containers.filter((one) => !old.includes(one));
    const now = new Date().toISOString();
    for (let number = 1; number <= Math.max(1, old.length); number += 1) {
      const made = {
        id: randomBytes(32).toString('hex'),
        service,
        name: 'project-' + service + '-' + number,
        createdAt: now,
        exitCode: 0,
        restarts: 0,
        policy: 'unless-stopped',
        oneOff: false,
        workingDir: process.cwd(),
        env: [],
        mounts: [],
        ports: {},
        ...state.services[service],
      };
      start(made);
      state.containers.push(made);
    }
    process.stderr.write(' Container project-' + service + '-1  Started\n');
  },
  async restart() {
    const service = behaviour.service ?? named[0];
    await tell({ verb, service });
    for (const one of behaviour.first ? of(service).slice(0, 1) : of(service)) start(one);
  },
  async 'compose-kill'() {
    for (const one of of(named[0])) Object.assign(one, { status: 'exited', exitCode: 137 });
    await tell({ verb: 'kill', service: named[0] });
  },
  inspect() {
    const ids = named.filter((word) => word !== 'container');
    console.log(JSON.stringify(there(ids).map(described)));
    for (const id of missing(ids)) end(1, 'Error: No such container: ' + id);
  },
  async kill() {
    for (const id of missing(named)) end(1, 'Error response from daemon: No such container: ' + id);
    const ended = new Set();
    for (const one of there(named)) {
      if (!['running', 'restarting', 'paused'].includes(one.status)) {
        end(1, 'Error response from daemon: Cannot kill container: ' + one.id + ' is not running');
        continue;
      }
      Object.assign(one, { status: 'exited', exitCode: 137 });
      ended.add(one.service);
    }
    for (const service of ended) await tell({ verb, service });
  },
  rm() {
    for (const id of missing(named)) end(1, 'Error response from daemon: No such container: ' + id);
    const running = there(named).filter((one) => one.status === 'running');
    for (const one of running) end(1, 'Error response from daemon: You cannot remove a running container ' + one.id);
    state.containers = state.containers.filter((one) => running.includes(one) || !named.includes(one.id));
  },
  update() {
    const policy = rest.find((word) => word.startsWith('--restart='));
    for (const one of there(named)) one.policy = policy?.slice('--restart='.length) ?? one.policy;
    for (const id of missing(named)) end(1, 'Error response from daemon: No such container: ' + id);
  },
};

const ENGINE_FAULTS = {
  down: 'Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?',
  forbidden:
    'permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock',
};

/** Why the verb cannot do its usual work. */
function refusal() {
  if (PROGRAM === 'docker' && isCompose && state.compose !== 'plugin')
    return [1, "docker: 'compose' is not a docker command."];
  if (PROGRAM === 'docker-compose' && !['v1', 'standalone'].includes(state.compose))
    return [127, 'docker-compose: cannot be run'];
  if (verb !== 'compose-version' && state.engine !== 'up') return [1, ENGINE_FAULTS[state.engine]];
  if (['ps', 'up', 'restart', 'compose-kill'].includes(verb) && !(named[0] in state.services))
    return [1, 'no such service: ' + named[0]];
  return VERBS[verb] === undefined ? [64, 'the stub knows no ' + verb] : undefined;
}

const untilThere = (path) =>
  new Promise((done) => {
    const watcher = watch(FOLDER, () => look());
    function look() {
      if (!existsSync(path)) return;
      watcher.close();
      done();
    }
    look();
  });

async function main() {
  process.stdout.write(behaviour.stdout ?? '');
  process.stderr.write(behaviour.stderr ?? '');
  if (behaviour.hang) return setInterval(() => undefined, 60_000);
  if (behaviour.until !== undefined) await untilThere(join(FOLDER, behaviour.until));
  Object.assign(state, load());
  if (behaviour.exit !== undefined) return end(behaviour.exit);
  if (behaviour.idle) return;
  const refused = refusal();
  if (refused !== undefined) return end(...refused);
  await VERBS[verb]();
  save();
}

main();
`;
