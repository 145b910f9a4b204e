import { dirname, join } from 'node:path';
import type { Part } from '../model/credential.ts';
import type { CredentialLocation, ServiceLayout } from '../model/layout.ts';
import { composeFacts, composeFileIn, urlFrom } from './compose-file.ts';
import { DEFAULT_KEY_READERS, DEFAULT_KEYS } from './defaults.ts';
import type { FileView } from './file-view.ts';

const SERVICE = 'comfyui-qwen';
const SERVICE_FOLDER = `docker-configurations/services/${SERVICE}`;
const CONF = '.secrets/comfyui_auth_tokens.conf';

/** The service's `.env` in the predecessor's tree, from the repository root (domain.md §4). */
export const PREDECESSOR_ENV = `${SERVICE_FOLDER}/.env`;

/** Keys without which the predecessor's service does not run (domain.md §5). */
const REQUIRED = [
  'CIVITAI_TOKEN',
  'HF_TOKEN',
  'QWEN_API_TOKEN',
  'COMFYUI_BEARER_TOKEN',
  'COMFYUI_LOGIN_ENABLED',
  'COMFYUI_USERNAME',
  'COMFYUI_PASSWORD',
];

const TOKEN_FILES = ['.secrets/qwen-api-user.token', `${SERVICE_FOLDER}/.secrets/qwen-api-user.token`];
const PASSWORD_FILE = `${SERVICE_FOLDER}/workspace/login/PASSWORD`;

/** Single keys in other files: each is a location where its line exists. */
const ENV_KEYS: readonly { path: string; key: string; holds: Part }[] = [
  { path: '.secrets/.env.generated', key: 'QWEN_API_USER_TOKEN', holds: 'password' },
  { path: '.env', key: 'COMFYUI_API_TOKEN', holds: 'bearer' },
  { path: '.env', key: 'COMFYUI_RAW_TOKEN', holds: 'password' },
];

/** Other names in the service's `.env` under which a part of the credential goes (domain.md §3). */
const ALIASES: Readonly<Record<string, Part>> = {
  COMFYUI_RAW_TOKEN: 'password',
  COMFYUI_API_TOKEN: 'bearer',
  COMFYUI_AUTH_TOKEN: 'bearer',
};

/** Whether a `.env` text has a line that sets the key. */
function sets(text: string | undefined, key: string): boolean {
  return new RegExp(`^\\s*(?:export\\s+)?${key}\\s*=`, 'm').test(text ?? '');
}

/** The paths that a conf of either shape lists, cut to what follows the repository root of the machine it was written on. */
function listedPaths(conf: string | undefined): string[] {
  const paths = [...(conf ?? '').matchAll(/"path"\s*:\s*"((?:[^"\\]|\\.)*)"/g)];
  return paths
    .map((match) => (match[1] ?? '').replaceAll('\\\\', '/').replaceAll('\\/', '/'))
    .map((path) => /(?:^|\/)((?:docker-configurations|\.secrets)\/.*)$/.exec(path)?.[1] ?? path);
}

/** The locations besides the service's `.env`: what exists, and what the conf says should exist. */
function locations(root: string, files: FileView): CredentialLocation[] {
  const listed = new Set(listedPaths(files.text(join(root, CONF))));
  const there = (relative: string) => files.exists(join(root, relative)) || listed.has(relative);
  const found: CredentialLocation[] = [];
  if (files.exists(join(root, CONF))) found.push({ kind: 'conf-json', path: join(root, CONF) });
  for (const relative of TOKEN_FILES) {
    if (there(relative)) found.push({ kind: 'token-file', path: join(root, relative), holds: 'bearer' });
  }
  for (const { path, key, holds } of ENV_KEYS) {
    const absolute = join(root, path);
    if (sets(files.text(absolute), key)) {
      found.push({ kind: 'env-key', path: absolute, key, holds, readers: [...DEFAULT_KEY_READERS] });
    }
  }
  if (there(PASSWORD_FILE)) found.push({ kind: 'password-file', path: join(root, PASSWORD_FILE) });
  return found;
}

/** The predecessor's service as its tree shows it (domain.md §4), or undefined where this is no such tree. */
export function predecessorService(root: string, files: FileView): ServiceLayout | undefined {
  const envPath = join(root, PREDECESSOR_ENV);
  const conf = join(root, CONF);
  if (!files.exists(envPath) && !files.exists(conf)) return undefined;
  const text = files.text(envPath);
  const facts = composeFacts(composeFileIn(dirname(envPath), files), SERVICE, files);
  const template = `${envPath}.example`;
  const aliases = Object.entries(ALIASES).filter(([key]) => sets(text, key));
  return {
    name: SERVICE,
    url: urlFrom(text),
    restart: facts.restart,
    env: {
      kind: 'env-file',
      path: envPath,
      ...(files.exists(template) && { template }),
      readers: facts.readers,
      keys: { ...DEFAULT_KEYS, ...Object.fromEntries(aliases) },
      required: REQUIRED,
      defaults: { COMFYUI_LOGIN_ENABLED: 'true' },
    },
    authority: files.exists(conf) ? conf : envPath,
    authorityDeclared: false,
    locations: locations(root, files),
  };
}
