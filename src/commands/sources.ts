import { resolve } from 'node:path';
import { secretKeyFault } from '../env-file/secret-key.ts';
import { Exit, Failure } from '../model/failure.ts';
import { Secret } from '../model/secret.ts';
import { readSecretText, withoutLineEnd } from '../store/secret-file.ts';
import type { HandedIn, World } from './world.ts';

/** The parts that one source gives (contract.md, Where secrets come from). */
export interface SourceParts {
  kind: 'handed-in' | 'environment' | 'authority';
  /** In words, for messages: `--password-file F`, `the environment`, a path. */
  origin: string;
  username?: string;
  password?: Secret;
  bearer?: Secret;
}

/** The text of a secret file. Throws a Failure that names the file and what asked for it; never its content. */
export function readSecretFile(path: string, asked: string, cwd: string): string {
  const absolute = resolve(cwd, path);
  const found = readSecretText(absolute);
  if (found.ok && found.text !== '') return found.text;
  throw new Failure({
    code: 'secret-file-unreadable',
    exit: found.ok || found.why === 'unusable' ? Exit.usage : Exit.unknown,
    message: `${asked}: ${absolute} ${found.ok ? 'is empty' : found.words}`,
    remedy: 'name a regular file that this user may read and that holds the secret and nothing else',
    location: { path: absolute },
  });
}

/** `--password-stdin`, `--password-file`, `--bearer-file`: together one source; undefined where none was given. */
export async function handedInByOptions(
  options: { passwordStdin?: boolean; passwordFile?: string; bearerFile?: string },
  world: World,
): Promise<HandedIn | undefined> {
  const { passwordStdin, passwordFile, bearerFile } = options;
  if (passwordStdin === true && passwordFile !== undefined) {
    throw new Failure({
      code: 'usage',
      exit: Exit.usage,
      message: '--password-stdin and --password-file exclude each other',
      remedy: 'give one of the two',
    });
  }
  const parts: HandedIn = { origin: 'the options' };
  if (passwordStdin === true) {
    parts.password = withoutLineEnd(await world.stdin());
    parts.origin = '--password-stdin';
    if (parts.password === '') {
      throw new Failure({
        code: 'secret-empty',
        exit: Exit.usage,
        message: '--password-stdin: stdin was empty',
        remedy: 'write the password to stdin, e.g. comfyui-auth sync --password-stdin < FILE',
      });
    }
  }
  if (passwordFile !== undefined) {
    parts.password = readSecretFile(passwordFile, '--password-file', world.cwd);
    parts.origin = '--password-file';
  }
  if (bearerFile !== undefined) {
    parts.bearer = readSecretFile(bearerFile, '--bearer-file', world.cwd);
    if (parts.password === undefined) parts.origin = '--bearer-file';
  }
  return parts.password === undefined && parts.bearer === undefined ? undefined : parts;
}

/** A variable or what its `…_FILE` names; empty is unset, both together are refused. */
function variable(name: string, world: World): string | undefined {
  const direct = world.env[name] || undefined;
  const file = world.env[`${name}_FILE`] || undefined;
  if (direct !== undefined && file !== undefined) {
    throw new Failure({
      code: 'variable-twice',
      exit: Exit.usage,
      message: `${name} and ${name}_FILE are both set`,
      remedy: `unset one of them`,
    });
  }
  return file === undefined ? direct : readSecretFile(file, `${name}_FILE`, world.cwd);
}

/** The first of the two sources outside the layout that gives any part. */
export function outerSource(handedIn: HandedIn | undefined, world: World): SourceParts | undefined {
  return sourceOf('handed-in', handedIn) ?? sourceOf('environment', fromEnvironment(world));
}

function fromEnvironment(world: World): HandedIn {
  const [username, password, bearer] = ['COMFYUI_USERNAME', 'COMFYUI_PASSWORD', 'COMFYUI_BEARER_TOKEN'].map(
    (name) => variable(name, world),
  );
  return {
    origin: 'the environment',
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...(bearer !== undefined && { bearer }),
  };
}

/** The parts as a source. A user name alone opens nothing: it does not make one. */
function sourceOf(kind: SourceParts['kind'], parts: HandedIn | undefined): SourceParts | undefined {
  if (parts?.password === undefined && parts?.bearer === undefined) return undefined;
  const { origin, username, password, bearer } = parts;
  return {
    kind,
    origin,
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password: new Secret(password) }),
    ...(bearer !== undefined && { bearer: new Secret(bearer) }),
  };
}

/** The key that a bearer is derived with; `weak` says why one that is set is not used. */
export function secretKey(
  handedIn: HandedIn | undefined,
  world: World,
): { key?: Secret; weak?: { name: string; reason: 'short' | 'placeholder' } } {
  const own = handedIn?.secretKey || variable('COMFYUI_AUTH_SECRET_KEY', world);
  const text = own ?? variable('SECRET_KEY', world);
  if (text === undefined) return {};
  const name = own === undefined ? 'SECRET_KEY' : 'COMFYUI_AUTH_SECRET_KEY';
  const reason = secretKeyFault(text);
  return reason === undefined ? { key: new Secret(text) } : { weak: { name, reason } };
}
