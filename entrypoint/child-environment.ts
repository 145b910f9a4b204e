import type { Owner } from '../src/model/layout.ts';
import { readRegular } from '../src/store/read-file.ts';
import { scrubbed } from './settings.ts';

const MAX_PASSWD_BYTES = 1024 * 1024;

/**
 * The environment of ComfyUI and of all that is asked of its Python: without the credential, and for another user with
 * that user's home, since packages keep their caches there.
 */
export function childEnvironment(
  env: NodeJS.ProcessEnv,
  comfyuiDir: string,
  user?: Owner,
): NodeJS.ProcessEnv {
  return {
    // Output that waits in a buffer tells nothing of a start that hangs.
    PYTHONUNBUFFERED: '1',
    ...scrubbed(env),
    ...(user !== undefined && homeOf(user, comfyuiDir)),
  };
}

/** As a login of that user would have it; who has no entry in /etc/passwd gets ComfyUI's folder. */
function homeOf({ uid }: Owner, comfyuiDir: string): Record<string, string> {
  const entry = accounts().find(([, , id]) => id === String(uid));
  const [name = String(uid), , , , , home = ''] = entry ?? [];
  return { HOME: home === '' ? comfyuiDir : home, USER: name, LOGNAME: name };
}

/** The accounts of /etc/passwd, each as its fields (passwd(5)); none where it cannot be read. */
export function accounts(): string[][] {
  const found = readRegular('/etc/passwd', { follow: true, maxBytes: MAX_PASSWD_BYTES });
  const lines = found.kind === 'file' ? found.bytes.toString('utf8').split('\n') : [];
  return lines.map((line) => line.split(':'));
}
