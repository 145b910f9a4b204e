import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { randomSalt } from '../model/bcrypt.ts';
import { Secret } from '../model/secret.ts';
import { layComfyUi } from '../stand-in/tree.ts';
import type { World } from './world.ts';

/** The credentials of a demonstration: made for it, valid nowhere else. */
export interface DemoSecrets {
  password: Secret;
  bearer: Secret;
  hfToken: Secret;
  civitaiToken: Secret;
}

const SERVICE_FOLDER = 'docker-configurations/services/comfyui-qwen';

/** ComfyUI's folder in the demonstration's tree. */
export const demoComfyUi = (root: string): string => join(root, SERVICE_FOLDER, 'workspace');

/** The service's `.env` in the demonstration's tree. */
export const demoEnvFile = (root: string): string => join(root, SERVICE_FOLDER, '.env');

/** A secret of letters and digits: no reader of a `.env` takes any of these for something else. */
const made = (prefix = '') => new Secret(prefix + randomBytes(16).toString('hex'));

/** A salt that begins with a letter: Compose takes `$` and the name behind it out of such a hash. */
function temptingSalt(): string {
  for (;;) {
    const salt = randomSalt();
    if (/^\$2b\$\d\d\$[A-Za-z]/.test(salt)) return salt;
  }
}

/** A hash as it looks after three characters were typed twice. */
function doubled(hash: string): string {
  return [50, 40, 30].reduce((text, at) => text.slice(0, at) + text.charAt(at - 1) + text.slice(at), hash);
}

/** A Python that is this program, playing ComfyUI behind ComfyUI-Login. */
function pythonScript(cli: string): string {
  const quoted = [process.execPath, cli].map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');
  return `#!/bin/sh\nexec ${quoted} stand-in-python "$@"\n`;
}

/**
 * Lays down a deployment in the predecessor's shape with the incident in it (domain.md §1): a bearer that Compose mangles,
 * one of 63 characters, one of another lineage, a missing key, a placeholder, a stale backup, open file modes.
 */
export async function layDemoTree(
  root: string,
  port: number,
  cli: string,
  world: World,
): Promise<DemoSecrets> {
  const password = made();
  const webPassword = made();
  const [bearer, other, older] = await Promise.all(
    [password, webPassword, made()].map((one) => world.bcrypt.hash(one, temptingSalt())),
  );
  if (bearer === undefined || other === undefined || older === undefined) throw new Error('no hashes');
  const write = (path: string, text: string, mode = 0o600) => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
    chmodSync(join(root, path), mode);
  };
  const service = (name: string) => `${SERVICE_FOLDER}/${name}`;
  const env = (token: Secret) =>
    `# ComfyUI Qwen\nCOMFYUI_PORT=${port}\nCOMFYUI_LOGIN_ENABLED=true\nCOMFYUI_USERNAME=admin\n` +
    `COMFYUI_PASSWORD=${password.reveal()}\n# copied from the log\nCOMFYUI_BEARER_TOKEN=${token.reveal()}\n` +
    `HF_TOKEN=HF_TOKEN_REDACTED\nQWEN_API_TOKEN=${made().reveal()}\nSESSION_EXPIRE_HOURS=24\n`;
  write(service('.env'), env(bearer), 0o644);
  write(service('.env.backup-SECURE'), env(older));
  const image = 'services:\n  comfyui-qwen:\n    image: comfyui-qwen\n    container_name: comfyui-qwen\n';
  write(service('docker-compose.yml'), image, 0o644);
  write(service('.secrets/qwen-api-user.token'), other.reveal());
  write('.secrets/qwen-api-user.token', bearer.reveal());
  write('.secrets/.env.generated', `QWEN_API_USER_TOKEN=${password.reveal()}\n`);
  write('.env', `COMFYUI_API_TOKEN=${other.reveal()}\nCOMFYUI_RAW_TOKEN=${webPassword.reveal()}\n`);
  const conf = {
    version: '1.0',
    created_at: '2025-01-01T00:00:00Z',
    raw_token: password.reveal(),
    bcrypt_hash: doubled(bearer.reveal()),
    description: 'the source of truth',
    locations: [],
  };
  write('.secrets/comfyui_auth_tokens.conf', `${JSON.stringify(conf, null, 2)}\n`);
  layComfyUi(demoComfyUi(root));
  write(service('workspace/login/PASSWORD'), `${other.reveal()}\nadmin`);
  write(service('workspace/venv/bin/python'), pythonScript(cli), 0o755);
  return { password, bearer, hfToken: made('hf_'), civitaiToken: made() };
}

/** Every file below a folder with its bytes and its time of change. */
export function photograph(folder: string): string {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  const lines = entries
    .filter((entry) => entry.isFile())
    .map((entry) => {
      const path = join(entry.parentPath, entry.name);
      return `${path}\0${statSync(path, { bigint: true }).mtimeNs}\0${readFileSync(path).toString('base64')}`;
    });
  return lines.sort().join('\n');
}
