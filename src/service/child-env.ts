import { ALIASES } from '../model/credential.ts';

/** They say where programs lie and which engine is spoken to: those of the shell hold, whatever a `.env` says. */
const KEPT = new Set([
  'PATH',
  'HOME',
  'DOCKER_HOST',
  'DOCKER_CONTEXT',
  'DOCKER_CONFIG',
  'DOCKER_CERT_PATH',
  'DOCKER_TLS',
  'DOCKER_TLS_VERIFY',
  'DOCKER_API_VERSION',
]);

/** Names by which an environment hands in a credential, itself or as the path of a file. */
export const CREDENTIAL_VARIABLES: readonly string[] = [
  'COMFYUI_USERNAME',
  'COMFYUI_PASSWORD',
  'COMFYUI_BEARER_TOKEN',
  'COMFYUI_AUTH_SECRET_KEY',
  'SECRET_KEY',
  ...Object.keys(ALIASES),
].flatMap((name) => [name, `${name}_FILE`]);

/**
 * The environment of every program that a driver runs: without the credential, without the action's inputs, and
 * without the keys of the service's `.env`, which would beat the file.
 */
export function childEnv(env: NodeJS.ProcessEnv, envKeys: readonly string[]): NodeJS.ProcessEnv {
  const removed = new Set([...envKeys.filter((key) => !KEPT.has(key)), ...CREDENTIAL_VARIABLES]);
  return Object.fromEntries(
    Object.entries(env).filter(([name]) => !removed.has(name) && !name.startsWith('INPUT_')),
  );
}
