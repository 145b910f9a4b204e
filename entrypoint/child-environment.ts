import { readFileSync } from 'node:fs';
import type { Owner } from '../src/model/layout.ts';
import { scrubbed } from './settings.ts';

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

function accounts(): string[][] {
  try {
    return readFileSync('/etc/passwd', 'utf8')
      .split('\n')
      .map((line) => line.split(':'));
  } catch {
    return [];
  }
}
