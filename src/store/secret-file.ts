import { isUtf8 } from 'node:buffer';
import { readRegular } from './read-file.ts';

/** More than any secret needs; a larger file is a wrong path. */
const MAX_BYTES = 64 * 1024;

export type SecretText =
  | { ok: true; text: string }
  /** `words` go on after the path: `is not there`. `forbidden`: this user may not read it. */
  | { ok: false; why: 'unusable' | 'unreadable' | 'forbidden'; words: string };

/** Cuts one line end: it is no part of a secret in a file; nor is it on stdin. */
export const withoutLineEnd = (text: string): string => text.replace(/\r?\n$/, '');

/**
 * The text of a file that the operator named as a secret's, without its line end; it may be empty. Links are
 * followed, since Kubernetes gives every secret as one; what they lead to must be a regular file. Never waits.
 */
export function readSecretText(path: string): SecretText {
  const found = readRegular(path, { maxBytes: MAX_BYTES, follow: true });
  const unusable = (words: string): SecretText => ({ ok: false, why: 'unusable', words });
  switch (found.kind) {
    case 'missing':
      return unusable('is not there');
    case 'not-a-file':
      return unusable(`is ${found.what}, not a file`);
    case 'unreadable': {
      if (found.code === 'EFBIG') return unusable('is too large for a secret');
      const forbidden = found.code === 'EACCES' || found.code === 'EPERM';
      return {
        ok: false,
        why: forbidden ? 'forbidden' : 'unreadable',
        words: `cannot be read (${found.code})`,
      };
    }
    case 'file':
      if (!isUtf8(found.bytes)) return unusable('is not UTF-8 text');
      return { ok: true, text: withoutLineEnd(found.bytes.toString('utf8')) };
  }
}
