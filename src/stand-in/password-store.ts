import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import bcrypt from 'bcryptjs';
import { decodeUtf8, firstLine, strip } from './python-text.ts';

const TAKEN_FOR_SALT = /^\$2[abxy]\$(\d\d)\$[./A-Za-z0-9]{22}/;
const MAX_PASSWORD_BYTES = 72;

/** What the node keeps of its PASSWORD file, and when it reads it (domain.md §2). */
export class PasswordStore {
  readonly #path: string;
  readonly #guestPath: string;
  readonly #oldPath: string;
  readonly #log: (line: string) => void;
  /** Read at start, and again only while it is empty. */
  #token = '';
  /** Read at the first login, and kept. */
  #cached: { hash: string; username: string | undefined } | undefined;

  constructor(comfyuiDir: string, log: (line: string) => void) {
    this.#path = join(comfyuiDir, 'login', 'PASSWORD');
    this.#guestPath = join(comfyuiDir, 'login', 'GUEST_MODE');
    this.#oldPath = join(comfyuiDir, 'PASSWORD');
    this.#log = log;
  }

  /** What the node does at its import. Throws where its import would fail (container.md O1 – O3). */
  open(): void {
    mkdirSync(dirname(this.#path), { recursive: true });
    if (existsSync(this.#oldPath)) renameSync(this.#oldPath, this.#path);
    this.#loadToken();
  }

  get exists(): boolean {
    return existsSync(this.#path);
  }

  /** What the file holds now; undefined where it cannot be read. */
  content(): string | undefined {
    try {
      return readFileSync(this.#path, 'utf8');
    } catch {
      return undefined;
    }
  }

  /** Takes another bearer while it runs, and forgets what the form has kept. */
  swap(token: string): void {
    this.#token = token;
    this.#cached = undefined;
  }

  get guestMode(): boolean {
    return existsSync(this.#guestPath);
  }

  /** The bearer; empty where PASSWORD is missing or its first line is. */
  get token(): string {
    if (this.#token === '') this.#loadToken();
    return this.#token;
  }

  get username(): string | undefined {
    return this.#user().username;
  }

  /** Whether the form's password is right. Throws where Python's bcrypt would raise. */
  verify(password: string): boolean {
    const { hash } = this.#user();
    if (hash === '') return false;
    const salt = TAKEN_FOR_SALT.exec(hash);
    if (salt === null || Number(salt[1]) < 4) throw new Error('Invalid salt');
    if (Buffer.byteLength(password) > MAX_PASSWORD_BYTES)
      throw new Error('password cannot be longer than 72 bytes');
    return bcrypt.hashSync(password, salt[0]) === hash;
  }

  /** The first visitor's password becomes the server's. Without a name it leaves an empty file (container.md F3). */
  setFirst(password: string, username: string | undefined): void {
    const hash = bcrypt.hashSync(password, 12);
    this.#write(hash, username);
    this.#cached = { hash, username };
  }

  /** Adds the name that PASSWORD lacks. Without one it leaves an empty file (container.md F4). */
  setUsername(username: string | undefined): void {
    const { hash } = this.#user();
    this.#write(hash, username);
    this.#cached = { hash, username };
  }

  #write(hash: string, username: string | undefined): void {
    writeFileSync(this.#path, '');
    if (username === undefined) throw new TypeError("'NoneType' object has no attribute 'encode'");
    writeFileSync(this.#path, `${hash}\n${username}`);
  }

  #user(): { hash: string; username: string | undefined } {
    if (this.#cached === undefined) {
      const [hash = '', name = ''] = readFileSync(this.#path, 'latin1').split('\n');
      const username = strip(decodeUtf8(Buffer.from(name, 'latin1')));
      this.#cached = { hash, username: username === '' ? undefined : username };
    }
    return this.#cached;
  }

  #loadToken(): void {
    let bytes: Buffer;
    try {
      bytes = readFileSync(this.#path);
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
      this.#log(
        'Please set up your password before use. The token will be a hashed string derived from your password.',
      );
      this.#token = '';
      return;
    }
    this.#token = strip(firstLine(decodeUtf8(bytes)));
    this.#log(`For direct API calls, use token=${this.#token}`);
  }
}
