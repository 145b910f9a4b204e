import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Flags } from './flags.ts';
import type { LogRing } from './log-ring.ts';
import { Login } from './login.ts';
import { PasswordStore } from './password-store.ts';
import { sessionKey } from './session.ts';

/** What ComfyUI has of the login node after its start. */
export interface LoadedLogin {
  /** Its pages: there once the cookie key could be read. */
  login?: Login;
  /** Its guard stands in the way only where the whole import went well. */
  guards: boolean;
  /** What the login of this node stands on. */
  store?: PasswordStore;
  keyPath?: string;
}

/** The folder of the login node among those that ComfyUI loads: neither absent, nor disabled, nor moved away. */
function findNode(customNodes: string, flags: Flags): string | undefined {
  if (!existsSync(customNodes)) return undefined;
  return readdirSync(customNodes)
    .filter((name) => !name.endsWith('.disabled'))
    .filter((name) => flags.onlyNodes?.includes(name) ?? true)
    .map((name) => join(customNodes, name))
    .find((folder) => existsSync(join(folder, '__init__.py')) && existsSync(join(folder, 'password.py')));
}

/**
 * Loads the login node as ComfyUI does: a failure is printed and swallowed, and the server starts without it.
 * `--base-directory` moves the custom nodes, but not the PASSWORD file (container.md O9).
 */
export function loadLogin(
  folders: { comfyui: string; base: string },
  flags: Flags,
  alwaysRedirect: boolean,
  log: LogRing,
): LoadedLogin {
  const folder = findNode(join(folders.base, 'custom_nodes'), flags);
  if (folder === undefined) return { guards: false };
  let login: Login | undefined;
  try {
    const keyPath = join(folder, '.secret-key.txt');
    const key = sessionKey(keyPath);
    const store = new PasswordStore(folders.comfyui, log.line);
    login = new Login({ store, key, corsOrigin: flags.corsOrigin, alwaysRedirect });
    store.open();
    log.line(`   0.0 seconds: ${folder}`);
    return { login, guards: true, store, keyPath };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    log.line(`Cannot import ${folder} module for custom nodes: ${reason}`);
    log.line(`   0.0 seconds (IMPORT FAILED): ${folder}`);
    return login === undefined ? { guards: false } : { login, guards: false };
  }
}
