import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Engine, onPath } from './engine.ts';
import { PARTS } from './parts.ts';

/** What `deploy` may call besides the two of docker. */
const PROGRAMS = ['docker', 'flock', 'git'];

export type ComposeVersion = 'v1' | 'v2';

/** A Compose, and the environment in which it is the only one. */
export interface Compose {
  words: readonly string[];
  env: Record<string, string>;
}

/** Makes a PATH and a configuration by which exactly that Compose is found, whatever else the machine has. */
export async function composeOnly(engine: Engine, version: ComposeVersion): Promise<Compose> {
  const folder = join(engine.folder, version);
  const [bin, plugins] = [join(folder, 'bin'), join(folder, 'config', 'cli-plugins')];
  for (const made of [bin, plugins]) mkdirSync(made, { recursive: true });
  for (const name of PROGRAMS) symlinkSync(onPath(name), join(bin, name));
  const plugin = join(plugins, 'docker-compose');
  if (version === 'v2') symlinkSync(PARTS.composeV2, plugin);
  else {
    symlinkSync(PARTS.composeV1, join(bin, 'docker-compose'));
    // It stands before those of the machine, and does not answer as a plugin.
    writeFileSync(plugin, '#!/bin/sh\nexit 1\n');
    chmodSync(plugin, 0o755);
  }
  // Compose 2.26 would speak a newer language than Debian 12's engine.
  const api = await engine.docker('version', '--format', '{{.Server.APIVersion}}');
  return {
    words: version === 'v2' ? ['docker', 'compose'] : ['docker-compose'],
    env: { ...engine.env, PATH: bin, DOCKER_CONFIG: join(folder, 'config'), DOCKER_API_VERSION: api },
  };
}
