import { existsSync, lstatSync } from 'node:fs';
import { join } from 'node:path';
import type { Owner } from '../../src/model/layout.ts';
import { errnoOf } from '../../src/store/system-call.ts';
import { ContainerExit } from '../exit.ts';
import { denied, nearestFolder, type Want } from './access.ts';
import { fail, type PreflightCheck, type PreflightWorld, pass, skip } from './check.ts';
import { comfyUiFolders } from './folders.ts';

interface Need {
  path: string;
  want: Want;
  who: Owner;
}

/** Whoever writes there: ComfyUI into its own folders, we into the cache. */
function needs(world: PreflightWorld): Need[] {
  const { output, input, temp, user, models } = comfyUiFolders(world);
  const written = [output, input, temp, user].map(
    (path): Need => ({ path, want: 'write', who: world.owner }),
  );
  const { cacheDir } = world;
  return [
    ...written,
    { path: models, want: 'read', who: world.owner },
    ...(cacheDir === undefined ? [] : [{ path: cacheDir, want: 'write', who: world.self } as const]),
  ];
}

function fault(world: PreflightWorld, { path, want, who }: Need): string | undefined {
  try {
    return denied(world, nearestFolder(path), want, who);
  } catch (error) {
    return `${path}: ${errnoOf(error)}`;
  }
}

/** ComfyUI's user may write where ComfyUI saves, and read its models; we may write into the cache. */
export const volumesWritable: PreflightCheck = {
  id: 'volumes-writable',
  severity: 'warning',
  run(world) {
    const faults = needs(world).flatMap((need) => {
      const why = fault(world, need);
      return why === undefined ? [] : [{ ...need, why }];
    });
    const first = faults[0];
    if (first === undefined) return pass('output, input, temp, user and models are as they should be');
    const list = faults.map(({ path, want, who, why }) => `user ${who.uid} cannot ${want} ${path} (${why})`);
    const { uid, gid } = first.who;
    const readOnly = /read-only|EROFS/.test(first.why);
    return fail(
      list.join('; '),
      readOnly
        ? 'mount it writable: without `:ro`, and with a volume for it where the container is `read_only`'
        : `on the host: chown -R ${uid}:${gid} the folder that is mounted there; or set COMFYUI_UID and COMFYUI_GID to its owner`,
    );
  },
};

/** Where there is no PASSWORD yet, we can write one. Whether one that is there must be replaced is decided later. */
export const loginWritable: PreflightCheck = {
  id: 'login-writable',
  severity: 'error',
  run(world) {
    if (world.settings.mode === 'open') return skip('an open server is meant: no PASSWORD is written');
    const folder = join(world.settings.comfyuiDir, 'login');
    const password = join(folder, 'PASSWORD');
    if (lstatSync(password, { throwIfNoEntry: false }) !== undefined) return skip(`${password} is there`);
    if (lstatSync(folder, { throwIfNoEntry: false })?.isSymbolicLink() && !existsSync(folder)) {
      return fail(
        `${folder} is a link that leads nowhere`,
        'make the folder that it names, or remove the link',
        ContainerExit.io,
      );
    }
    const need: Need = { path: folder, want: 'write', who: world.self };
    const why = fault(world, need);
    if (why === undefined) return pass(`${folder} can be written`);
    const readOnly = /read-only|EROFS/.test(why);
    return fail(
      `${password} is not there, and cannot be written (${why})`,
      readOnly
        ? `mount ${folder} writable, without \`:ro\``
        : `chown -R ${world.self.uid}:${world.self.gid} the folder that is mounted there, or start the container as root`,
      readOnly ? ContainerExit.io : ContainerExit.permission,
    );
  },
};
