import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import bcrypt from 'bcryptjs';

const project = resolve(import.meta.dirname, '..', '..');
export const CLI = join(project, 'dist', 'cli', 'index.cjs');
export const ACTION = join(project, 'dist', 'action', 'index.cjs');

/** A password or token that stands nowhere else. */
export const freshSecret = (prefix = '') => prefix + randomBytes(12).toString('hex');

/**
 * A hash of the cheapest kind: it tests as well, in a fraction of the time. Its salt begins with a letter, so that
 * Compose mangles it where it stands bare: one in five others would come through.
 */
export function cheapHash(password: string): string {
  for (;;) {
    const salt = bcrypt.genSaltSync(4);
    if (/^\$2b\$04\$[A-Za-z]/.test(salt)) return bcrypt.hashSync(password, salt);
  }
}

const SERVICE = 'docker-configurations/services/comfyui-qwen';

/** Where things stand in the predecessor's tree (domain.md §4). */
export const PATHS = {
  env: `${SERVICE}/.env`,
  conf: '.secrets/comfyui_auth_tokens.conf',
  token: '.secrets/qwen-api-user.token',
  tokenCopy: `${SERVICE}/.secrets/qwen-api-user.token`,
  generated: '.secrets/.env.generated',
  rootEnv: '.env',
  password: `${SERVICE}/workspace/login/PASSWORD`,
  compose: `${SERVICE}/docker-compose.yml`,
} as const;

export interface Ran {
  code: number | null;
  stdout: string;
  stderr: string;
  // biome-ignore lint/suspicious/noExplicitAny: what the JSON holds is what each test asserts
  json: any;
}

/** The environment of a program under test: nothing of the developer's own shell. */
export const cleanEnv = (more: Record<string, string> = {}) => ({
  PATH: process.env.PATH ?? '',
  HOME: tmpdir(),
  ...more,
});

/** Runs a built bundle to its end. */
export function runBundle(
  bundle: string,
  args: string[],
  options: { env?: Record<string, string>; input?: string; cwd?: string; uid?: number; gid?: number } = {},
): Ran {
  const { status, stdout, stderr } = spawnSync(process.execPath, [bundle, ...args], {
    env: cleanEnv(options.env),
    input: options.input ?? '',
    cwd: options.cwd ?? tmpdir(),
    encoding: 'utf8',
    timeout: 55_000,
    ...(options.uid !== undefined && { uid: options.uid, gid: options.gid }),
  });
  const text = stdout.trim();
  return { code: status, stdout, stderr, json: text.startsWith('{') ? JSON.parse(text) : undefined };
}

/** A healthy deployment in the predecessor's shape; tests then break what they are about. */
export class Deployment {
  readonly root = realpathSync(mkdtempSync(join(tmpdir(), 'comfyui-auth-test-')));
  readonly password = freshSecret();
  readonly bearer = cheapHash(this.password);
  readonly secrets = { hf: freshSecret('hf_'), civitai: freshSecret(), qwen: freshSecret() };

  constructor() {
    this.write(PATHS.env, this.envText());
    this.write(PATHS.conf, this.confText());
    this.write(PATHS.token, this.bearer);
    this.write(PATHS.tokenCopy, `${this.bearer}\n`);
    this.write(PATHS.generated, `QWEN_API_USER_TOKEN=${this.password}\n`);
    this.write(PATHS.rootEnv, `COMFYUI_API_TOKEN='${this.bearer}'\nCOMFYUI_RAW_TOKEN=${this.password}\n`);
    this.write(PATHS.password, `${this.bearer}\nadmin`);
    this.write(PATHS.compose, 'services:\n  comfyui-qwen:\n    image: comfyui-qwen\n', 0o644);
  }

  envText(bearer = `'${this.bearer}'`): string {
    const { hf, civitai, qwen } = this.secrets;
    return [
      '# the service',
      'COMFYUI_PORT=8188',
      'COMFYUI_LOGIN_ENABLED=true',
      'COMFYUI_USERNAME=admin',
      `COMFYUI_PASSWORD=${this.password}`,
      `COMFYUI_BEARER_TOKEN=${bearer}`,
      `HF_TOKEN=${hf}`,
      `CIVITAI_TOKEN=${civitai}`,
      `QWEN_API_TOKEN=${qwen}`,
      '',
    ].join('\n');
  }

  confText(more: object = {}): string {
    const conf = {
      version: '1.0',
      created_at: 'then',
      raw_token: this.password,
      bcrypt_hash: this.bearer,
      description: 'd',
      ...more,
    };
    return `${JSON.stringify(conf, null, 2)}\n`;
  }

  path(relative: string): string {
    return join(this.root, relative);
  }

  write(relative: string, text: string | Buffer, mode = 0o600): void {
    mkdirSync(dirname(this.path(relative)), { recursive: true });
    writeFileSync(this.path(relative), text);
    chmodSync(this.path(relative), mode);
  }

  read(relative: string): string {
    return readFileSync(this.path(relative), 'utf8');
  }

  /** Puts another text for a part of a file. */
  edit(relative: string, from: string | RegExp, to: string): void {
    this.write(
      relative,
      this.read(relative).replace(from, () => to),
    );
  }

  run(command: string, ...args: string[]): Ran {
    return this.runWith({}, command, ...args);
  }

  runWith(
    options: { env?: Record<string, string>; input?: string },
    command: string,
    ...args: string[]
  ): Ran {
    return runBundle(CLI, [command, '--root', this.root, '--json', ...args], options);
  }

  /** Every file with its bytes, mode and times, the state folder included. */
  photograph(): Record<string, string> {
    const entries = readdirSync(this.root, { recursive: true, withFileTypes: true }).filter((one) =>
      one.isFile(),
    );
    return Object.fromEntries(
      entries.map((entry) => {
        const path = join(entry.parentPath, entry.name);
        const { mtimeNs, mode, ino } = statSync(path, { bigint: true });
        return [
          path.slice(this.root.length),
          `${ino} ${mode} ${mtimeNs} ${readFileSync(path).toString('base64')}`,
        ];
      }),
    );
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}

/** The findings of one code. */
export const found = (ran: Ran, code: string) =>
  (
    ran.json.findings as {
      code: string;
      severity: string;
      args: Record<string, unknown>;
      location?: { path: string; key?: string; line?: number };
      message: string;
      remedy: string;
    }[]
  ).filter((one) => one.code === code);
