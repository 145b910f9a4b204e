import { readRegular } from '../../src/store/read-file.ts';
import { exitOfErrno, Refusal } from '../exit.ts';
import { type CodeFiles, codeFilesOf, digestOfFiles, isCode } from './digest.ts';

const MAX_BYTES = 1024 * 1024;
const SHA256 = /^[0-9a-f]{64}$/;

/** Digests of login nodes that may run besides the pinned one; `any`: all. */
export type Allowed = 'any' | readonly string[];

/** The login node that an image was built with. */
interface Pin {
  repository: string;
  commit: string;
  code: CodeFiles;
}

export interface PinCheck {
  /** The pin's file. Undefined: only `allow` decides, and where that is empty, all is taken. */
  pin: string | undefined;
  allow: Allowed;
}

/**
 * Refuses (78) a login node whose code is neither the pinned one nor allowed by its digest. `remedy` says, from
 * the pin's words for its version, what to put there instead.
 */
export function checkPinned(
  folder: string,
  { pin, allow }: PinCheck,
  remedy: (version: string) => string,
): void {
  if (allow === 'any' || (pin === undefined && allow.length === 0)) return;
  const code = codeFilesOf(folder);
  const digest = digestOfFiles(code);
  if (allow.includes(digest)) return;
  const pinned = pin === undefined ? undefined : readPin(pin);
  if (pinned !== undefined && digestOfFiles(pinned.code) === digest) return;
  const why = pinned === undefined ? 'LOGIN_NODE_ALLOW does not name it' : differences(code, pinned.code);
  const version = pinned === undefined ? 'an allowed version' : `${pinned.commit} of ${pinned.repository}`;
  throw new Refusal({
    code: 'login-node-unknown',
    message: `${folder} is not the login node of this image: ${why}; its digest is ${digest}`,
    remedy: `${remedy(version)}, or set LOGIN_NODE_ALLOW=${digest} where this version is meant`,
  });
}

/** Which files differ, in a few words. */
function differences(found: CodeFiles, pinned: CodeFiles): string {
  const words = [
    ...[...pinned].flatMap(([path, sum]) => {
      if (!found.has(path)) return [`${path} is missing`];
      return found.get(path) === sum ? [] : [`${path} differs`];
    }),
    ...[...found.keys()].filter((path) => !pinned.has(path)).map((path) => `${path} is added`),
  ];
  return words.length > 3 ? `${words.slice(0, 3).join(', ')} and more` : words.join(', ');
}

function readPin(path: string): Pin {
  const found = readRegular(path, { follow: true, maxBytes: MAX_BYTES });
  if (found.kind === 'unreadable' && found.code !== 'EFBIG') {
    throw broken(path, `cannot be read (${found.code})`, exitOfErrno(found.code));
  }
  const pin = found.kind === 'file' ? parsePin(found.bytes.toString('utf8')) : undefined;
  if (pin === undefined) throw broken(path, 'is no list of a login node’s files with their SHA-256');
  return pin;
}

/** `{version: 1, repository, commit, files: {path: SHA-256}}`, as the image's build writes it. */
function parsePin(text: string): Pin | undefined {
  try {
    const { version, repository, commit, files } = JSON.parse(text) as Record<string, unknown>;
    if (version !== 1 || typeof repository !== 'string' || typeof commit !== 'string') return undefined;
    const sums = Object.entries(files as Record<string, unknown>);
    if (!sums.every((sum): sum is [string, string] => typeof sum[1] === 'string' && SHA256.test(sum[1]))) {
      return undefined;
    }
    const code = new Map(sums.filter(([name]) => isCode(name)));
    return code.has('password.py') && code.has('__init__.py') ? { repository, commit, code } : undefined;
  } catch {
    return undefined;
  }
}

const broken = (path: string, what: string, exit?: Refusal['exit']) =>
  new Refusal({
    code: 'login-node-pin-broken',
    ...(exit !== undefined && { exit }),
    message: `${path} (the pin of the login node) ${what}`,
    remedy: 'build the image again, or name the right file in LOGIN_NODE_PIN',
  });
