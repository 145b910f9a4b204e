import { MAX_PASSWORD_BYTES } from './bcrypt.ts';
import type { Secret } from './secret.ts';

/** The three parts of a credential (design.md, Words). */
export type Part = 'username' | 'password' | 'bearer';

/** What ComfyUI-Login knows of one service: a user, a password, and the password's bcrypt hash, the bearer. */
export interface Credential {
  username: string;
  /** Absent where only the bearer is known: then the web form cannot be tested. */
  password?: Secret;
  bearer: Secret;
}

/** Other names of environment variables under which a part goes (domain.md §3). */
export const ALIASES: Readonly<Record<string, Exclude<Part, 'username'>>> = {
  COMFYUI_RAW_TOKEN: 'password',
  QWEN_API_USER_TOKEN: 'password',
  raw_token: 'password',
  COMFYUI_API_TOKEN: 'bearer',
  COMFYUI_AUTH_TOKEN: 'bearer',
  bcrypt_hash: 'bearer',
};

export const DEFAULT_USERNAME = 'admin';

const MIN_PASSWORD_LENGTH = 8;

export type PasswordFault = 'too-long' | 'empty' | 'blank-at-an-end' | 'control-character' | 'lone-surrogate';

/**
 * Why a password cannot be used, or undefined. bcrypt cuts at 72 bytes (silently, or by an error, as the
 * library likes), a NUL ends it, line ends cannot stand in the files (reliability.md §1.9).
 */
export function passwordFault(password: Secret): PasswordFault | undefined {
  const text = password.reveal();
  if (text === '') return 'empty';
  if (Buffer.byteLength(text) > MAX_PASSWORD_BYTES) return 'too-long';
  if (/[\0\r\n]/.test(text)) return 'control-character';
  if (!text.isWellFormed()) return 'lone-surrogate';
  if (text.trim() !== text) return 'blank-at-an-end';
  return undefined;
}

/** Whether a usable password is too short to stand against guessing. */
export function isWeakPassword(password: Secret): boolean {
  return password.reveal().length < MIN_PASSWORD_LENGTH;
}

/** PASSWORD has at most 4095 bytes for the guard (image/guard/credential.py), the hash among them. */
const MAX_USERNAME_BYTES = 4000;

/** Whether a user name can stand in line 2 of a PASSWORD file: not empty, no control character, no blanks at its ends. */
export function isUsableUsername(name: string): boolean {
  const plain = name !== '' && !/\p{Cc}/u.test(name) && name.isWellFormed() && name.trim() === name;
  return plain && Buffer.byteLength(name) <= MAX_USERNAME_BYTES;
}
