import { execFile } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freshSecret } from '../../process/deployment.ts';
import { requires } from '../capability.ts';
import { type Compose, composeOnly } from '../docker/compose.ts';
import { Engine, withoutEngine } from '../docker/engine.ts';
import { PARTS } from '../docker/parts.ts';
import { Container, type ContainerOptions, HostFolder } from './container.ts';
import { leaveAbout, makeContext, makeNodeRoot } from './context.ts';

const execFileAsync = promisify(execFile);

/** The name of the image under test. */
export const IMAGE = 'comfyui-auth:test';

const FIRST_PORT = 20_000;

/** Whether tests of the image must be skipped. */
export function withoutImage(): boolean {
  return [
    withoutEngine(),
    requires('a base image with Python (test/system/docker/get-parts.sh)', existsSync(PARTS.python)),
    requires('Python packages (test/system/docker/get-parts.sh)', existsSync(PARTS.wheels)),
  ].includes(true);
}

/** An engine of its own with the image, built of its own Dockerfile as it stands, and no network. */
export class ImageRig {
  readonly engine: Engine;
  readonly compose: Compose;
  /** What lay about where the image was built. */
  readonly stray: string;
  readonly #containers: Container[] = [];
  readonly #folders: HostFolder[] = [];
  #port = FIRST_PORT;

  private constructor(engine: Engine, stray: string, compose: Compose) {
    this.engine = engine;
    this.stray = stray;
    this.compose = compose;
  }

  static async start(): Promise<ImageRig> {
    const engine = await Engine.start();
    try {
      const stray = freshSecret();
      await buildImage(engine, stray);
      return new ImageRig(engine, stray, await composeOnly(engine, 'v2'));
    } catch (error) {
      await engine.stop();
      throw error;
    }
  }

  /** A port of the engine's loopback that no other test has. */
  freePort(): number {
    this.#port += 1;
    return this.#port;
  }

  /** A folder on the host, gone after the test. */
  folder(): HostFolder {
    const folder = new HostFolder();
    this.#folders.push(folder);
    return folder;
  }

  /** A container that is made, and does not run yet. */
  async create(options: ContainerOptions = {}): Promise<Container> {
    const container = await Container.create(this.engine, IMAGE, this.freePort(), options);
    this.#containers.push(container);
    return container;
  }

  /** Counts a container that Compose made among those of the test. */
  adopt(container: Container): Container {
    this.#containers.push(container);
    return container;
  }

  /** Removes what the tests so far have made. */
  async clear(): Promise<void> {
    await Promise.all(this.#containers.splice(0).map((container) => container.remove()));
    for (const folder of this.#folders.splice(0)) folder.remove();
  }

  async stop(): Promise<void> {
    await this.engine.stop();
  }
}

async function buildImage(engine: Engine, stray: string): Promise<void> {
  const [context, nodeRoot] = [join(engine.folder, 'context'), join(engine.folder, 'node-root')];
  const args = makeContext(context);
  leaveAbout(context, stray);
  makeNodeRoot(nodeRoot);
  const importNode = 'tar -C "$1" -c . | docker import - node-base';
  await Promise.all([
    engine.docker('import', PARTS.python, 'python-base'),
    execFileAsync('sh', ['-c', importNode, 'sh', nodeRoot], { env: engine.env }),
  ]);
  const dockerfile = join(context, 'image', 'Dockerfile');
  await engine.docker('build', '--quiet', '--file', dockerfile, ...args, '--tag', IMAGE, context);
  for (const folder of [context, nodeRoot]) rmSync(folder, { recursive: true });
}
