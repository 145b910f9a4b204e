import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { requires } from '../capability.ts';
import { PARTS } from './parts.ts';

const execFileAsync = promisify(execFile);

const runs = (program: string, ...args: string[]) => spawnSync(program, args).status === 0;

/** The first program of that name on PATH. */
export function onPath(name: string): string {
  const folders = (process.env.PATH ?? '').split(delimiter);
  const found = folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
  if (found === undefined) throw new Error(`${name} is not on PATH`);
  return found;
}

/**
 * Whether tests that need an engine must be skipped. It needs root, and the right to make namespaces: in them it
 * finds no bridge, no rule and no process of another engine, and leaves none behind.
 */
export function withoutEngine(): boolean {
  const isolated = process.getuid?.() === 0 && runs('unshare', '--net', '--mount', '--pid', '--fork', 'true');
  return [
    requires('root with namespaces of its own', isolated),
    requires('docker', runs('docker', '--version')),
    requires('dockerd', runs('dockerd', '--version')),
    requires('ip (iproute2)', runs('ip', '-V')),
    requires('a base image (test/system/docker/get-parts.sh)', existsSync(PARTS.base)),
    requires('Compose v2 (test/system/docker/get-parts.sh)', existsSync(PARTS.composeV2)),
    requires('Compose v1', / version 1\./.test(spawnSync(PARTS.composeV1, ['--version']).stdout?.toString())),
  ].includes(true);
}

/** What a container is, of what `docker inspect` says. */
export interface Inspected {
  Id: string;
  Name: string;
  Created: string;
  RestartCount: number;
  State: { Running: boolean; Restarting: boolean; Status: string; StartedAt: string; ExitCode: number };
  HostConfig: { RestartPolicy: { Name: string } };
  Config: { Image: string; Env: string[]; Labels: Record<string, string> };
}

/**
 * A Docker Engine of its own, in namespaces of its own: its ports are the loopback's there, so what asks them is
 * run through `inside`. It has no way to any network.
 */
export class Engine {
  /** What belongs to this engine; gone with it. */
  readonly folder = mkdtempSync(join(tmpdir(), 'comfyui-auth-engine-'));
  readonly #cgroup = `comfyui-auth-${process.pid}-${this.folder.slice(-6)}`;
  readonly #process: ChildProcess;
  readonly #closed: Promise<unknown>;

  private constructor() {
    const option = (name: string, value: string) => `--${name}='${join(this.folder, value)}'`;
    const dockerd = [
      ...[option('data-root', 'data'), option('exec-root', 'exec'), option('pidfile', 'pid')],
      `--host='${this.host}' --iptables=false --ip6tables=false`,
      `--exec-opt=native.cgroupdriver=cgroupfs --cgroup-parent=/${this.#cgroup}`,
    ];
    const script = `ip link set lo up && exec dockerd ${dockerd.join(' ')}`;
    // Whatever becomes of this process, the first process of the namespace is killed with it, and so are all in it.
    const namespaces = ['unshare', '--net', '--mount', '--pid', '--fork', '--mount-proc', '--kill-child'];
    this.#process = spawn('setpriv', ['--pdeathsig', 'KILL', ...namespaces, 'sh', '-c', script], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.#closed = once(this.#process, 'close');
  }

  /** Starts one, and resolves when it listens; rejects with its last words where it ends before. */
  static async start(): Promise<Engine> {
    const engine = new Engine();
    const { stderr } = engine.#process;
    if (stderr === null) throw new Error('dockerd has no stderr');
    const said: string[] = [];
    const listens = new Promise<void>((resolve) => {
      createInterface({ input: stderr }).on('line', (line) => {
        said.push(line);
        if (said.length > 20) said.shift();
        if (line.includes('API listen on')) resolve();
      });
    });
    const ended = engine.#closed.then(() => Promise.reject(new Error(`dockerd ended:\n${said.join('\n')}`)));
    ended.catch(() => undefined);
    await Promise.race([listens, ended]);
    return engine;
  }

  get host(): string {
    return `unix://${join(this.folder, 'docker.sock')}`;
  }

  /** What leads a client to this engine, and to no setting of the one who runs the tests. */
  get env(): Record<string, string> {
    return { PATH: process.env.PATH ?? '', HOME: this.folder, DOCKER_HOST: this.host, DOCKER_BUILDKIT: '0' };
  }

  /** The words of a command line, so that it runs where the engine's ports are. */
  inside(...words: string[]): [program: string, args: string[]] {
    return [onPath('nsenter'), [`--net=/proc/${this.#process.pid}/ns/net`, '--', ...words]];
  }

  /** Runs `docker`; gives its stdout. Rejects with its stderr where it fails. */
  async docker(...args: string[]): Promise<string> {
    const { stdout } = await execFileAsync('docker', args, { env: this.env, maxBuffer: 64 * 1024 * 1024 });
    return stdout.trim();
  }

  /** All containers, or those that `docker ps` finds by a filter, as they are now. */
  async containers(...filter: string[]): Promise<Inspected[]> {
    const ids = await this.docker('ps', '--all', '--no-trunc', '--quiet', ...filter);
    return ids === '' ? [] : JSON.parse(await this.docker('inspect', ...ids.split('\n')));
  }

  /** Resolves when the engine has told of so many events, those of before included. */
  async happened(filter: string[], count: number): Promise<void> {
    const events = spawn('docker', ['events', ...filter], {
      env: this.env,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let seen = 0;
    for await (const _ of createInterface({ input: events.stdout })) {
      seen += 1;
      if (seen === count) break;
    }
    events.kill();
    if (seen < count) throw new Error(`the engine told of ${seen} events, and no more`);
  }

  /** Ends it and all its containers; rejects where something of it stays. */
  async stop(): Promise<void> {
    const ids = await this.docker('ps', '--all', '--quiet');
    if (ids !== '') await this.docker('rm', '--force', ...ids.split('\n'));
    // The engine is the first process of its namespace: none in there outlives it.
    const namespace = `/proc/${this.#process.pid}/ns/pid_for_children`;
    await execFileAsync('nsenter', [`--pid=${namespace}`, 'sh', '-c', 'kill 1']);
    await this.#closed;
    this.#removeCgroups();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Version 1 has a tree for each controller, version 2 one for all. */
  #removeCgroups(): void {
    const mounted = '/sys/fs/cgroup';
    const trees = [mounted, ...readdirSync(mounted).map((name) => join(mounted, name))];
    for (const folder of trees.map((tree) => join(tree, this.#cgroup))) {
      if (existsSync(folder)) rmdirSync(folder);
    }
  }
}
