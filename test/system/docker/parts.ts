import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const folder = join(tmpdir(), 'comfyui-auth-ci', 'docker');

/** The Python packages of the server in ComfyUI's place. */
export const REQUIREMENTS = resolve(import.meta.dirname, '..', 'image', 'requirements.lock');

const packages = createHash('sha256').update(readFileSync(REQUIREMENTS)).digest('hex').slice(0, 16);

/** What `get-parts.sh` gets, and Debian 12's own Compose v1. */
export const PARTS = {
  base: join(folder, 'base.tar'),
  /** The same with Python, git and tini. */
  python: join(folder, 'python.tar'),
  wheels: join(folder, `wheels-${packages}`),
  composeV2: join(folder, 'compose-v2'),
  composeV1: '/usr/bin/docker-compose',
} as const;
