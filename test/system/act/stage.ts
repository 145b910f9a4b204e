import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freshSecret } from '../../process/deployment.ts';
import { Engine } from '../docker/engine.ts';
import { buildImages, image } from '../docker/images.ts';
import { project, Runner } from './runner.ts';

const LAY = join(project, 'test', 'system', 'act', 'e2e-deployment.sh');
const CLI = join(project, 'dist', 'cli', 'index.cjs');

/** An engine, a runner beside it, and the deployments that workflows are run on. */
export class Stage {
  readonly engine: Engine;
  readonly runner: Runner;

  private constructor(engine: Engine, runner: Runner) {
    this.engine = engine;
    this.runner = runner;
  }

  static async set(): Promise<Stage> {
    const engine = await Engine.start();
    try {
      await buildImages(engine);
      return new Stage(engine, await Runner.at(engine));
    } catch (error) {
      await engine.stop();
      throw error;
    }
  }

  async clear(): Promise<void> {
    this.runner.remove();
    await this.engine.stop();
  }

  /** An image that has Node. */
  readonly base = image('plain');

  /** A folder that nothing else has. */
  folder(): string {
    return join(this.runner.folder, `comfyui-${freshSecret()}`);
  }

  /** Lays down a deployment of some services; gives its folder. */
  async lay(...services: string[]): Promise<string> {
    const root = this.folder();
    await this.#succeed(LAY, this.base, root, ...services);
    return root;
  }

  /** Makes a service's files hold a password, without starting anything. */
  async sync(root: string, service: string, password: string): Promise<void> {
    const file = join(root, 'password');
    writeFileSync(file, password);
    await this.#succeed('node', CLI, 'sync', '--root', root, '--service', service, '--password-file', file);
  }

  /** Fails unless the running server is proven with the password of its files. */
  async proven(root: string, service: string): Promise<void> {
    const file = join(root, 'password');
    writeFileSync(file, this.deployed(root, service, 'COMFYUI_PASSWORD'));
    await this.#succeed('node', CLI, 'probe', '--root', root, '--service', service, '--password-file', file);
  }

  /** Makes a service run without its login node. */
  openUp(root: string, service: string): void {
    const path = join(root, 'compose.yaml');
    const text = readFileSync(path, 'utf8');
    writeFileSync(path, text.replace(new RegExp(`(${service}:\n +image:) .*`), `$1 ${image('open')}`));
  }

  /** Names, with their start, of the containers of a deployment that run. */
  async running(root: string): Promise<string[]> {
    const filter = `label=com.docker.compose.project.working_dir=${root}`;
    const containers = await this.engine.containers('--filter', filter);
    return containers
      .filter(({ State }) => State.Running)
      .map(({ Name, State }) => `${Name} ${State.StartedAt}`);
  }

  async up(root: string): Promise<void> {
    await this.#succeed('docker', 'compose', '--project-directory', root, 'up', '--detach');
  }

  /** Ends every deployment that still runs: the next one listens at the same ports. */
  async sweep(): Promise<void> {
    const containers = await this.engine.containers();
    if (containers.length > 0) await this.engine.docker('rm', '--force', ...containers.map(({ Id }) => Id));
  }

  /** The value of a key of a service's `.env`. */
  deployed(root: string, service: string, key: string): string {
    const line = new RegExp(`^${key}=['"]?(.*?)['"]?$`, 'm');
    return line.exec(readFileSync(join(root, service, '.env'), 'utf8'))?.[1] ?? '';
  }

  /** The password and the bearer that a service has. */
  secretsOf(root: string, service: string): string[] {
    const secrets = ['COMFYUI_PASSWORD', 'COMFYUI_BEARER_TOKEN'].map((key) =>
      this.deployed(root, service, key),
    );
    if (secrets.includes('')) throw new Error(`${service} has no credential`);
    return secrets;
  }

  async #succeed(...words: string[]): Promise<void> {
    const { code, output } = await this.runner.program(...words);
    if (code !== 0) throw new Error(`${words[0]} ended with ${code}:\n${output}`);
  }
}
