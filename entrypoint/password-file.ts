import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import { formatPasswordFile, parsePasswordFile } from '../src/locations/password-file.ts';
import { isBcryptHash } from '../src/model/bcrypt.ts';
import type { Credential } from '../src/model/credential.ts';
import { Failure } from '../src/model/failure.ts';
import type { Owner } from '../src/model/layout.ts';
import { Secret } from '../src/model/secret.ts';
import { makeFolder } from '../src/store/folder.ts';
import { type ReadResult, readRegular } from '../src/store/read-file.ts';
import { replaceFile, replaceInPlace } from '../src/store/replace.ts';
import { errnoOf } from '../src/store/system-call.ts';
import { removeFile } from '../src/store/write-new.ts';
import type { DeployedCredential } from './credential.ts';
import { exitOfErrno, Refusal } from './exit.ts';

/** Read by ComfyUI's user, and by nobody else. */
const MODE = 0o600;

/** The files by which ComfyUI-Login knows its one credential (domain.md §2). */
export interface LoginFiles {
  folder: string;
  password: string;
  guestMode: string;
  /** Of old versions: ComfyUI-Login moves it over `password` at each import. */
  legacy: string;
}

/** Where the files of a ComfyUI stand, whatever its `--base-directory` says. */
export function loginFiles(comfyuiDir: string): LoginFiles {
  const folder = join(comfyuiDir, 'login');
  return {
    folder,
    password: join(folder, 'PASSWORD'),
    guestMode: join(folder, 'GUEST_MODE'),
    legacy: join(comfyuiDir, 'PASSWORD'),
  };
}

/**
 * The credential that ComfyUI-Login would take from the disk: the old file's, where there is one. Undefined
 * where there is none, or no good hash in it. Throws a `Refusal` where something else stands in a file's place.
 */
export function readDeployed(files: LoginFiles): DeployedCredential | undefined {
  const legacy = readable(files.legacy);
  const current = readable(files.password);
  for (const found of [legacy, current]) {
    if (found.kind !== 'file') continue;
    const { bearer, username } = parsePasswordFile(found.bytes);
    if (!isBcryptHash(bearer)) continue;
    return { bearer: new Secret(bearer), ...(username !== '' && { username }) };
  }
  return undefined;
}

/** Refuses what would make the node's import fail, and so open the server (container.md O2, O3). */
function readable(path: string): ReadResult {
  const found = readRegular(path);
  if (found.kind === 'not-a-file') {
    throw new Refusal({
      code: 'not-a-file',
      message: `${path} is ${found.what}, not a file: ComfyUI-Login would fail to load, and ComfyUI would serve anyone`,
      remedy: `remove ${path}; where it is a mount, its source is missing on the host: mount the folder login/ instead`,
    });
  }
  if (found.kind === 'unreadable') {
    throw new Refusal({
      code: 'file-unreadable',
      exit: exitOfErrno(found.code),
      message: `${path} cannot be read (${found.code})`,
      remedy: `look at owner and mode (ls -ld ${path}), or start the container as root`,
    });
  }
  return found;
}

/**
 * Makes the PASSWORD file hold the credential, in canonical bytes, for ComfyUI's user alone; a file that is
 * right already is not touched. Removes the old file and, unless guests are asked for, GUEST_MODE. Throws a
 * `Refusal` (74, 77) where anything cannot be written.
 */
export function provisionPassword(
  files: LoginFiles,
  credential: Credential,
  owner: Owner,
  guests: boolean,
): void {
  refuseForeignLink(files.folder, owner);
  writing(files.password, () => {
    if (missing(files.folder)) makeFolder(files.folder, { owner });
    writeFileFor(files.password, formatPasswordFile(credential.bearer, credential.username), owner);
    removeFile(files.legacy);
    if (!guests) removeFile(files.guestMode);
    else if (missing(files.guestMode)) writeFileFor(files.guestMode, Buffer.alloc(0), owner);
  });
}

/** As root nothing is written where a link of ComfyUI's user leads: it could lead anywhere. */
function refuseForeignLink(folder: string, owner: Owner): void {
  const link = lstatSync(folder, { throwIfNoEntry: false });
  if (!link?.isSymbolicLink() || link.uid === process.getuid?.() || link.uid !== owner.uid) return;
  throw new Refusal({
    code: 'login-link',
    message: `${folder} is a link that ComfyUI’s user has made: root does not write where it leads`,
    remedy: `remove the link, and mount the folder at ${folder} itself`,
  });
}

/**
 * Writes a file that ComfyUI's user alone may read, and nothing where it stands so already. A file that is a
 * mount of its own is overwritten in place. Throws a `Failure`.
 */
export function writeFileFor(path: string, bytes: Buffer, owner: Owner): void {
  const now = readRegular(path);
  if (now.kind === 'file' && now.bytes.equals(bytes) && now.mode === MODE && sameOwner(now.owner, owner))
    return;
  try {
    replaceFile(path, bytes, { mode: MODE, owner });
  } catch (error) {
    if (!(error instanceof Failure && error.code === 'mount-point')) throw error;
    replaceInPlace(path, bytes, { mode: MODE, owner });
  }
}

/** Runs something that writes; its `Failure` becomes the container's `Refusal` for I/O or a permission (74, 77). */
export function writing<T>(path: string, write: () => T): T {
  try {
    return write();
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    throw new Refusal({
      code: error.code,
      exit: exitOfErrno(errnoOf(error.cause)),
      message: error.message,
      remedy: error.remedy === '' ? `look at ${path} and its folder` : error.remedy,
      cause: error,
    });
  }
}

const sameOwner = (a: Owner, b: Owner) => a.uid === b.uid && a.gid === b.gid;

function missing(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) === undefined;
}
