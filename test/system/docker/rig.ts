import { expect } from 'vitest';
import { type Compose, type ComposeVersion, composeOnly } from './compose.ts';
import { Engine, type Inspected } from './engine.ts';
import { buildImages, type Image, image } from './images.ts';
import { SERVICE, Served } from './served.ts';

/** An engine with its images, both Composes, and a neighbour that nobody may touch. */
export class Rig {
  readonly #engine: Engine;
  readonly #composes: Record<ComposeVersion, Compose>;
  readonly #neighbour: Inspected;
  #served: Served | undefined;

  private constructor(engine: Engine, composes: Record<ComposeVersion, Compose>, neighbour: Inspected) {
    this.#engine = engine;
    this.#composes = composes;
    this.#neighbour = neighbour;
  }

  static async start(): Promise<Rig> {
    const engine = await Engine.start();
    try {
      await buildImages(engine);
      const composes = { v1: await composeOnly(engine, 'v1'), v2: await composeOnly(engine, 'v2') };
      return new Rig(engine, composes, await startNeighbour(engine));
    } catch (error) {
      await engine.stop();
      throw error;
    }
  }

  /** A deployment whose service is not up yet. */
  serve(version: ComposeVersion, target: Image, mount?: 'folder' | 'file' | 'elsewhere'): Served {
    this.#served = new Served(this.#engine, this.#composes[version], target, mount);
    return this.#served;
  }

  /** Ends what a test had served; holds that the neighbour runs as it did. */
  async clear(): Promise<void> {
    await this.#served?.down();
    this.#served = undefined;
    const [neighbour] = await this.#engine.containers('--filter', `id=${this.#neighbour.Id}`);
    expect(neighbour?.State).toEqual(this.#neighbour.State);
  }

  async stop(): Promise<void> {
    await this.#engine.stop();
  }
}

/** A container whose name begins as the service's does, of a service of the same name in another project. */
async function startNeighbour(engine: Engine): Promise<Inspected> {
  const label = (name: string, value: string) => ['--label', `com.docker.compose.${name}=${value}`];
  const labels = [...label('project', 'monitor'), ...label('service', SERVICE), ...label('oneoff', 'False')];
  const named = ['--name', `${SERVICE}-idle-monitor`];
  const id = await engine.docker('run', '--detach', ...named, ...labels, image('silent'));
  const [neighbour] = await engine.containers('--filter', `id=${id}`);
  if (neighbour === undefined) throw new Error('the neighbour does not run');
  return neighbour;
}
