import { join } from 'node:path';
import { ContainerExit } from '../exit.ts';
import { nearestFolder, readOnlyMount } from './access.ts';
import {
  type FreeSpace,
  fail,
  type Outcome,
  type PreflightCheck,
  type PreflightWorld,
  pass,
} from './check.ts';
import { comfyUiFolders } from './folders.ts';

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;

/** A file system without inodes of its own counts none at all. */
const FEW_INODES = 100;

/** How much room a place needs: below `full` ComfyUI can save nothing there, below `low` soon. */
interface Place {
  path: string;
  low: number;
  full?: number;
}

/**
 * The login's folder may be a small one in memory, as may that of the state; of shared memory Docker gives 64 MiB.
 * What is mounted read-only needs no room.
 */
function places(world: PreflightWorld): Place[] {
  const { output, input, temp, user } = comfyUiFolders(world);
  const { settings, cacheDir, runDir, root } = world;
  const all: Place[] = [
    { path: join(settings.comfyuiDir, 'login'), low: MIB, full: MIB / 16 },
    { path: settings.comfyuiDir, low: GIB, full: 64 * MIB },
    { path: output, low: GIB, full: 64 * MIB },
    ...[input, temp, user].map((path) => ({ path, low: 64 * MIB })),
    ...(cacheDir === undefined ? [] : [{ path: cacheDir, low: GIB }]),
    { path: join(root, 'dev/shm'), low: 32 * MIB },
    { path: runDir, low: MIB / 4 },
  ];
  return all
    .map((place) => ({ ...place, path: nearestFolder(place.path) }))
    .filter(({ path }) => readOnlyMount(world, path) === undefined);
}

interface Measured extends Place {
  free: number;
  inodes: number;
}

async function measure(world: PreflightWorld): Promise<Measured[]> {
  return Promise.all(
    places(world).map(async (place) => {
      const space = await world.statfs(place.path);
      return { ...place, free: space.bsize * space.bavail, inodes: inodesOf(space) };
    }),
  );
}

const inodesOf = ({ files, ffree }: FreeSpace) => (files === 0 ? Number.POSITIVE_INFINITY : ffree);

const size = (bytes: number) =>
  bytes >= GIB ? `${(bytes / GIB).toFixed(1)} GiB` : `${(bytes / MIB).toFixed(1)} MiB`;

function told(found: readonly Measured[]): string {
  const words = found.map(({ path, free, inodes }) =>
    inodes < FEW_INODES ? `${path} has ${inodes} inodes left` : `${path} has ${size(free)} left`,
  );
  return [...new Set(words)].join('; ');
}

/** There is room for the credential and for a result. A full disk is refused before it tears a file. */
export const diskFull: PreflightCheck = {
  id: 'disk-full',
  severity: 'error',
  async run(world): Promise<Outcome> {
    const found = await measure(world);
    const full = found.filter(({ full = 0, free, inodes }) => full > 0 && (free < full || inodes === 0));
    return full.length === 0
      ? pass('there is room for the credential and for a result')
      : fail(told(full), 'free some space there, or mount a larger volume', ContainerExit.io);
  },
};

/** There is room for some time. */
export const diskSpace: PreflightCheck = {
  id: 'disk-space',
  severity: 'warning',
  async run(world): Promise<Outcome> {
    const found = await measure(world);
    const low = found.filter(({ low, free, inodes }) => free < low || inodes < FEW_INODES);
    return low.length === 0
      ? pass(told(found))
      : fail(told(low), 'free some space there, mount a larger volume, or raise `shm_size` for /dev/shm');
  },
};
