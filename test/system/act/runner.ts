import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { requires } from '../capability.ts';
import { composeOnly } from '../docker/compose.ts';
import type { Engine } from '../docker/engine.ts';
import { Program } from '../docker/program.ts';

export const project = resolve(import.meta.dirname, '..', '..', '..');

/** Where CI puts the Node that `using: node24` means: act takes the first one on PATH. */
const NODE_24 = join(tmpdir(), 'comfyui-auth-ci', 'node24', 'node_modules', 'node', 'bin');

/** Our own programs that stand in for those of a runner. */
const BIN = join(import.meta.dirname, 'bin');

const answers = (program: string) => spawnSync(program, ['--version']).status === 0;

/** Whether tests that run workflows must be skipped. */
export function withoutRunner(): boolean {
  return [
    requires('act', answers('act')),
    requires('jq', answers('jq')),
    requires(`Node 24 in ${NODE_24}`, existsSync(join(NODE_24, 'node'))),
  ].includes(true);
}

/** A workflow to run, and what the repository would give it. */
export interface Order {
  /** Its path in the project, or an absolute one. */
  workflow: string;
  event: string;
  variables?: Record<string, string>;
  secrets?: Record<string, string>;
  env?: Record<string, string>;
  /** Where the output says this the job is cancelled, as a person does it. */
  cancelAt?: RegExp;
}

export interface Ran {
  code: number | null;
  output: string;
}

/**
 * nektos/act as a runner without containers, where an engine's ports are. It has no network: `actions/checkout` is
 * done by act itself, which copies the project, and `org/comfyui-auth@v1` is the project too.
 */
export class Runner {
  readonly folder = mkdtempSync(join(tmpdir(), 'comfyui-auth-act-'));
  readonly #engine: Engine;
  readonly #env: Record<string, string>;
  readonly #action = join(this.folder, 'action');

  private constructor(engine: Engine, env: Record<string, string>) {
    this.#engine = engine;
    const path = [BIN, NODE_24, process.env.PATH ?? ''].join(delimiter);
    this.#env = { ...env, PATH: path, HOME: join(this.folder, 'home'), COMPOSE_PROGRESS: 'quiet' };
    mkdirSync(join(this.folder, 'home'));
    mkdirSync(this.#action);
    for (const part of ['action.yml', 'dist']) {
      cpSync(join(project, part), join(this.#action, part), { recursive: true });
    }
  }

  /** A runner whose `docker` is this engine's, with Compose v2. */
  static async at(engine: Engine): Promise<Runner> {
    return new Runner(engine, (await composeOnly(engine, 'v2')).env);
  }

  /** Writes a file that only its owner can read: secrets and variables come so, never as arguments. */
  #file(name: string, values: Record<string, string> = {}): string {
    const path = join(this.folder, name);
    const lines = Object.entries(values).map(([key, value]) => `${key}='${value}'\n`);
    writeFileSync(path, lines.join(''), { mode: 0o600 });
    return path;
  }

  /** Runs a workflow to its end. */
  async run({ workflow, event, variables, secrets, env = {}, cancelAt }: Order): Promise<Ran> {
    const labels = ['ubuntu-latest', 'self-hosted', 'comfyui'];
    const args = [
      ...[event, '--workflows', resolve(project, workflow), '--directory', project],
      ...labels.flatMap((label) => ['--platform', `${label}=-self-hosted`]),
      ...['--local-repository', `org/comfyui-auth@v1=${this.#action}`],
      ...['--secret-file', this.#file('secrets', secrets), '--var-file', this.#file('variables', variables)],
      ...['--env-file', this.#file('env'), '--input-file', this.#file('input')],
      ...['--action-cache-path', join(this.folder, 'cache'), '--no-cache-server', '--concurrent-jobs', '1'],
    ];
    return await this.#inside(['act', ...args], env, cancelAt);
  }

  /** Runs a program where the engine's ports are, in the project's folder. */
  async program(...words: string[]): Promise<Ran> {
    return await this.#inside(words, {});
  }

  async #inside(words: string[], env: Record<string, string>, cancelAt?: RegExp): Promise<Ran> {
    const program = new Program(this.#engine.inside(...words), { ...this.#env, ...env });
    let cancelled = false;
    program.process.stdout?.on('data', () => {
      if (cancelled || cancelAt === undefined || !cancelAt.test(program.stdout)) return;
      cancelled = true;
      program.process.kill('SIGINT');
    });
    const code = await program.ended;
    return { code, output: program.stdout + program.stderr };
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
