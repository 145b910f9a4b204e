import { tmpdir } from 'node:os';
import { join } from 'node:path';

const folder = join(tmpdir(), 'comfyui-auth-ci', 'docker');

/** What `get-parts.sh` gets, and Debian 12's own Compose v1. */
export const PARTS = {
  base: join(folder, 'base.tar'),
  composeV2: join(folder, 'compose-v2'),
  composeV1: '/usr/bin/docker-compose',
} as const;
