/** The text of both stubs of stub-docker.ts, a CommonJS module; `FOLDER` and `PROGRAM` are defined before it. */
export const STUB_PROGRAM = String.raw`
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
const runs = (one) => ['running', 'restarting', 'paused'].includes(one.status);
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
  version: () => console.log(state.version ?? '26.1.5'),
  ps() {
    const early = state.compose === 'v1';
    const all = early || flag('-a');
    const shown = state.containers.filter(
      (one) =>
        named.includes(one.service) &&
        // Either Compose adds what 'run' left where all are asked for, the first those that run in any case.
        (one.oneOff ? flag('-a') || (early && runs(one)) : all || runs(one)),
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
    for (const one of of(named[0]).filter(runs)) Object.assign(one, { status: 'exited', exitCode: 137 });
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
      if (!runs(one)) {
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
  if (behaviour.once) {
    delete state.on[verb];
    save();
  }
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
  // A test may have changed the state since: what only looks keeps its hands off it.
  if (behaviour.vanish || !['compose-version', 'version', 'ps', 'inspect'].includes(verb)) save();
}

main();
`;
