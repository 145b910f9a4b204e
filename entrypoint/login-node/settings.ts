import { existing, text } from '../environment.ts';
import { Refusal } from '../exit.ts';
import type { Allowed } from './pin.ts';

/** Where the image keeps its pristine copy of the login node, and the list of its files. */
const COPY = '/opt/comfyui-auth/login-node';
const PIN = '/opt/comfyui-auth/login-node.json';

export interface LoginNodeSettings {
  /** The folder from which a login node that is missing is restored; absent: nothing is restored. */
  copy?: string;
  /** The list of the files that the image was built with; absent: every login node is taken. */
  pin?: string;
  allow: Allowed;
}

/** Reads what the environment says about the login node. Throws a `Refusal` (78). */
export function readLoginNodeSettings(env: NodeJS.ProcessEnv): LoginNodeSettings {
  const copy = existing(env, 'LOGIN_NODE_COPY', COPY);
  const pin = existing(env, 'LOGIN_NODE_PIN', PIN);
  return {
    ...(copy !== undefined && { copy }),
    ...(pin !== undefined && { pin }),
    allow: readAllow(env),
  };
}

function readAllow(env: NodeJS.ProcessEnv): Allowed {
  const words = (text(env, 'LOGIN_NODE_ALLOW') ?? '')
    .split(',')
    .map((word) => word.trim().toLowerCase())
    .filter((word) => word !== '');
  if (words.includes('any')) return 'any';
  const wrong = words.find((word) => !/^[0-9a-f]{64}$/.test(word));
  if (wrong === undefined) return words;
  throw new Refusal({
    code: 'setting-invalid',
    message: `LOGIN_NODE_ALLOW has ${wrong}, which is no digest of a login node`,
    remedy: 'write digests of 64 hex digits with commas between them (a refusal prints them), or any',
  });
}
