import { MIN_SECRET_KEY_BYTES } from '../model/bcrypt.ts';
import { isPlaceholder } from './placeholder.ts';

/** Why a key is not good enough to derive a bearer with (contract.md, Derived bearer); undefined where it is. */
export function secretKeyFault(key: string): 'short' | 'placeholder' | undefined {
  if (isPlaceholder(key)) return 'placeholder';
  return Buffer.byteLength(key) < MIN_SECRET_KEY_BYTES ? 'short' : undefined;
}
