import { createHmac } from 'node:crypto';
import bcrypt from 'bcryptjs';
import { Secret } from './secret.ts';

/** Number of characters of a bcrypt hash in its usual text form. */
export const BCRYPT_LENGTH = 60;

/** bcrypt looks at no more than this many bytes of a password; Python's bcrypt 5 raises beyond. */
export const MAX_PASSWORD_BYTES = 72;

/** Cost of the hashes that we make; the default of Python's `bcrypt.gensalt()`. */
export const BCRYPT_COST = 12;

/** A secret key shorter than this is not used to derive a salt (contract.md, Derived bearer). */
export const MIN_SECRET_KEY_BYTES = 32;

const SHAPE = /^\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}$/;
const ALPHABET = './ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

/** Whether Python's bcrypt could accept this text as a hash: 60 characters, cost 04 to 31 (domain.md §2). */
export function isBcryptHash(text: string): boolean {
  const cost = SHAPE.exec(text)?.[1];
  return cost !== undefined && Number(cost) >= 4 && Number(cost) <= 31;
}

/** Above this cost a comparison takes from half a minute to days: nothing is computed. */
const MAX_COST = 16;

/** The cost of a hash: the work doubles with each step. Undefined for a text that is no hash. */
export function costOf(hash: string): number | undefined {
  return isBcryptHash(hash) ? Number(SHAPE.exec(hash)?.[1]) : undefined;
}

/** Whether a text is a hash with which a password can be compared in useful time; ComfyUI's own form would hang too. */
export function isUsableHash(text: string): boolean {
  return (costOf(text) ?? Infinity) <= MAX_COST;
}

/** bcrypt's own base64 of some bytes: its alphabet, no padding (16 bytes give 22 characters). */
export function bcryptBase64(bytes: Uint8Array): string {
  let text = '';
  for (let i = 0; i < bytes.length; i += 3) {
    const [a = 0, b = 0, c = 0] = bytes.subarray(i, i + 3);
    const group = (a << 16) | (b << 8) | c;
    const digits = Math.min(4, Math.ceil(((bytes.length - i) * 8) / 6));
    for (let d = 0; d < digits; d++) text += ALPHABET.charAt((group >> (18 - 6 * d)) & 63);
  }
  return text;
}

/** The salt that a secret key gives for a service and a user: the same on every host (contract.md). */
export function derivedSalt(key: Secret, service: string, username: string): string {
  const mac = createHmac('sha256', key.reveal()).update(`comfyui-auth/1\0${service}\0${username}`).digest();
  return `$2b$${BCRYPT_COST}$${bcryptBase64(mac.subarray(0, 16))}`;
}

/** A fresh salt from the system's random source. */
export function randomSalt(): string {
  return bcrypt.genSaltSync(BCRYPT_COST);
}

/** `bcrypt(password, salt)` as a bearer; about a quarter of a second of computing at cost 12. */
export function hashPassword(password: Secret, salt: string): Secret {
  return new Secret(bcrypt.hashSync(password.reveal(), salt));
}

/** Whether the hash is this password's. A text without bcrypt's shape is nobody's, and one that costs too much is not tried. */
export function verifies(password: Secret, bearer: Secret): boolean {
  return isUsableHash(bearer.reveal()) && bcrypt.compareSync(password.reveal(), bearer.reveal());
}
