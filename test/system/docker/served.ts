import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { CLI, Deployment, PATHS } from '../../process/deployment.ts';
import { expectSilent } from '../../process/silence.ts';
import type { Compose } from './compose.ts';
import type { Engine, Inspected } from './engine.ts';
import { type Image, image } from './images.ts';
import { Program } from './program.ts';

export const SERVICE = 'comfyui-qwen';
const ADDRESS = '127.0.0.1:8188';

/** How login/PASSWORD comes into the container. */
const MOUNTS = {
  folder: './workspace/login:/workspace/ComfyUI/login',
  file: './workspace/login/PASSWORD:/workspace/ComfyUI/login/PASSWORD',
  /** Another folder than the one that the deployment knows. */
  elsewhere: './elsewhere/login:/workspace/ComfyUI/login',
} as const;

/** `always` brings it back even with the engine; a plain stop may take longer than it may stay open. */
const composeText = (mount: string) => `services:
  ${SERVICE}:
    image: \${IMAGE}
    container_name: ${SERVICE}
    restart: always
    stop_grace_period: 4s
    ports: ["${ADDRESS}:8188"]
    environment:
      COMFYUI_USERNAME: \${COMFYUI_USERNAME}
      COMFYUI_PASSWORD: \${COMFYUI_PASSWORD}
      COMFYUI_BEARER_TOKEN: \${COMFYUI_BEARER_TOKEN}
    volumes: ["${mount}"]
`;

/** What a program of ours said. */
interface Said {
  code: number | null;
  // biome-ignore lint/suspicious/noExplicitAny: what the JSON holds is what each test asserts
  json: any;
}

/** The predecessor's tree, with a service that a real engine runs by a real Compose. */
export class Served extends Deployment {
  readonly #engine: Engine;
  readonly #compose: Compose;
  readonly #handedIn: string[] = [];

  constructor(engine: Engine, compose: Compose, target: Image, mount: keyof typeof MOUNTS = 'folder') {
    super();
    this.#engine = engine;
    this.#compose = compose;
    this.write(PATHS.env, `${this.envText()}IMAGE=${image(target)}\n`);
    this.write(PATHS.compose, composeText(MOUNTS[mount]), 0o644);
    if (mount === 'elsewhere') {
      const path = PATHS.password.replace('workspace', 'elsewhere');
      this.write(path, this.read(PATHS.password));
    }
  }

  /** Brings the service up; resolves when a probe has proven it, or has ended as it is said to. */
  async up(exit = 0): Promise<void> {
    await this.compose('up', '-d');
    const { code, json } = await this.ends(this.start('probe', '--timeout', '60s'));
    expect(code, JSON.stringify(json)).toBe(exit);
  }

  /** Runs Compose as an operator does. */
  async compose(...args: string[]): Promise<void> {
    const [program = '', ...lead] = this.#compose.words;
    const ran = new Program(
      [join(this.#compose.env.PATH ?? '', program), [...lead, '-f', this.path(PATHS.compose), ...args]],
      this.#compose.env,
    );
    expect(await ran.ended, ran.stderr).toBe(0);
  }

  /** Starts one of our commands where the service's port is. */
  start(command: string, ...args: string[]): Program {
    return this.startWith({}, command, ...args);
  }

  /** The same with variables; each counts as a secret that was handed in, unless it names an image. */
  startWith(env: Record<string, string>, command: string, ...args: string[]): Program {
    this.#handedIn.push(...Object.entries(env).flatMap(([name, value]) => (name === 'IMAGE' ? [] : [value])));
    const words = [process.execPath, CLI, command, '--root', this.root, '--json', ...args];
    return new Program(this.#engine.inside(...words), { ...this.#compose.env, ...env });
  }

  /** Waits for a command's end; holds that nothing it said shows a secret of before or of now. */
  async ends(program: Program): Promise<Said> {
    const code = await program.ended;
    const bearers = this.read(PATHS.password).split('\n').slice(0, 1);
    const secrets = [this.password, this.bearer, ...Object.values(this.secrets), ...bearers];
    expectSilent(program.stdout + program.stderr, [...secrets, ...this.#handedIn]);
    return { code, json: program.stdout.startsWith('{') ? JSON.parse(program.stdout) : undefined };
  }

  /** Deploys to the end, with little patience. */
  deploy(env: Record<string, string> = {}, ...args: string[]): Promise<Said> {
    return this.ends(this.startWith(env, 'deploy', '--timeout', '6s', ...args));
  }

  /** The one container of the service. */
  async container(): Promise<Inspected> {
    const found = await this.#engine.containers('--filter', `name=^/${SERVICE}$`);
    expect(found).toHaveLength(1);
    return found[0] as Inspected;
  }

  /** Resolves when the engine has restarted the container by itself so often that it is known to end again and again. */
  async restarted(): Promise<void> {
    const filter = ['--filter', `container=${SERVICE}`, '--filter', 'event=start'];
    const { Created } = await this.container();
    await this.#engine.happened(['--since', Created, ...filter], 4);
  }

  /** The variables of its container. */
  async environment(): Promise<Map<string, string>> {
    const { Config } = await this.container();
    return new Map(Config.Env.map((line) => line.split(/=(.*)/s, 2) as [string, string]));
  }

  /** What a file or folder of the deployment is and holds, by its path; the state folder apart. */
  state(): Record<string, string> {
    const entries = readdirSync(this.root, { recursive: true, withFileTypes: true });
    const states = entries.map((entry) => {
      const path = join(entry.parentPath, entry.name);
      const { mode, uid, gid } = statSync(path);
      const content = entry.isFile() ? readFileSync(path, 'utf8') : '';
      return [path.slice(this.root.length + 1), `${mode.toString(8)} ${uid}:${gid} ${content}`] as const;
    });
    return Object.fromEntries(states.filter(([path]) => !path.startsWith('.comfyui-auth')));
  }

  /** Holds that all is as it was before: every file, the container's image and variables, and its proof. */
  async expectAsBefore(state: Record<string, string>, target: Image): Promise<void> {
    expect(this.state()).toEqual(state);
    this.expectNoJournal();
    const { Config, State, HostConfig } = await this.container();
    expect([Config.Image, State.Running]).toEqual([image(target), true]);
    expect(HostConfig.RestartPolicy.Name).toBe('always');
    const environment = await this.environment();
    expect(environment.get('COMFYUI_BEARER_TOKEN')).toBe(this.bearer);
    expect(environment.get('COMFYUI_PASSWORD')).toBe(this.password);
    const { code, json } = await this.ends(this.start('probe', '--timeout', '20s'));
    expect([code, json.status], JSON.stringify(json)).toEqual([0, 'proved']);
  }

  /** Holds that no command is left half done. */
  expectNoJournal(): void {
    expect(existsSync(this.path('.comfyui-auth/journal.json'))).toBe(false);
  }

  /** Asks the service without a credential every 20 ms, until it is told to say what it got. */
  async prober(): Promise<() => Promise<{ asked: number; oks: number; openMs: number }>> {
    const script = join(import.meta.dirname, 'prober.mjs');
    const url = `http://${ADDRESS}/system_stats`;
    const prober = new Program(this.#engine.inside(process.execPath, script, url), this.#engine.env);
    await once(prober.process, 'spawn');
    return async () => {
      prober.process.kill('SIGTERM');
      await prober.ended;
      return JSON.parse(prober.stdout);
    };
  }

  /** Ends the service, and removes the tree. */
  async down(): Promise<void> {
    await this.compose('down', '--timeout', '0');
    this.remove();
  }
}
