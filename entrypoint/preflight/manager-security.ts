import { join } from 'node:path';
import { readRegular } from '../../src/store/read-file.ts';
import { fail, type PreflightCheck, pass, skip, unknown } from './check.ts';
import { comfyUiFolders } from './folders.ts';

/** Where ComfyUI-Manager keeps its settings, below ComfyUI's user folder: newer versions, and those before. */
const SETTINGS = ['__manager/config.ini', 'default/ComfyUI-Manager/config.ini'];
const MAX_BYTES = 64 * 1024;

/** With these a server on the loopback may do what is refused to one that others reach (its manager_server.py). */
const LOOSE = ['normal-', 'weak'];

/** ComfyUI-Manager goes by `--listen`: behind the relay that is 127.0.0.1, and it takes the server for a private one. */
export const managerSecurity: PreflightCheck = {
  id: 'manager-security',
  severity: 'warning',
  run(world) {
    if (world.settings.expose !== 'relay') return skip('EXPOSE_MODE is not relay');
    const { user } = comfyUiFolders(world);
    const files = SETTINGS.map((path) => join(user, path)).map((path) => ({
      path,
      found: readRegular(path, { follow: true, maxBytes: MAX_BYTES }),
    }));
    for (const { path, found } of files) {
      const level = found.kind === 'file' ? looseLevel(found.bytes.toString('utf8')) : undefined;
      if (level === undefined) continue;
      return fail(
        `${path} has security_level = ${level}: behind the relay ComfyUI-Manager takes this for a private installation, and lets every client that is logged in install from any Git address, and by pip`,
        `set security_level = normal in ${path}, or EXPOSE_MODE=direct`,
      );
    }
    const blocked = files.find(({ found }) => found.kind === 'unreadable' || found.kind === 'not-a-file');
    if (blocked !== undefined) return unknown(`${blocked.path} cannot be read`);
    return pass('no ComfyUI-Manager takes the relay for a reason to allow more');
  },
};

/** In whatever section: a warning too many costs less than one that is missing. */
function looseLevel(ini: string): string | undefined {
  const levels = [...ini.matchAll(/^[ \t]*security_level[ \t]*[=:][ \t]*(\S+)[ \t]*\r?$/gim)];
  return levels.map(([, level = '']) => level.toLowerCase()).find((level) => LOOSE.includes(level));
}
