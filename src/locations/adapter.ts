import type { Part } from '../model/credential.ts';
import type { Finding, Place } from '../model/finding.ts';
import type { CredentialLocation, EnvFileLocation } from '../model/layout.ts';
import type { Secret } from '../model/secret.ts';

/** Every kind of place that a layout can declare. */
export type AnyLocation = EnvFileLocation | CredentialLocation;

/** One part as a location was found to hold it. */
export interface HeldPart {
  part: Part;
  /** The value as it is meant: what stands within the outer quotes. */
  value: Secret;
  place: Place;
}

/** What a location's bytes hold. */
export interface LocationContent {
  parts: HeldPart[];
  /** Faults that show in the bytes alone, whatever the credential is. */
  findings: Finding[];
}

/** A slot that a location should have, whether its file exists or not. */
export interface Slot {
  holds: Part | 'credential';
  key?: string;
}

/** The parts to write. What is absent is not known and stays as it is. */
export interface WantedParts {
  username: string;
  password?: Secret;
  bearer?: Secret;
  /** Other keys of a service's `.env` to reconcile (`--variable`), by name. */
  variables?: ReadonlyMap<string, Secret>;
}

/** `bytes` is null where there is no file and nothing is known to put into one; `changed` names keys or parts. */
export type WriteResult =
  | { ok: true; bytes: Buffer | null; changed: string[] }
  | { ok: false; findings: Finding[] };

/** A location that already holds what is wanted, down to the last byte. */
export const asItIs = (bytes: Buffer | null): WriteResult => ({ ok: true, bytes, changed: [] });

/** One kind of place: how its bytes are read, and how they are changed. Bytes in, bytes out; files are not touched. */
export interface Adapter<L extends AnyLocation> {
  readonly kind: L['kind'];
  slots(location: L): Slot[];
  /** What stands in the bytes. `expected` decides which of several readings was meant. */
  read(bytes: Buffer, location: L, expected?: WantedParts): LocationContent;
  /** The bytes with the wanted parts in them; identical bytes where nothing is to be done. `null`: no file yet. */
  write(bytes: Buffer | null, location: L, wanted: WantedParts): WriteResult;
}

/** The value that is wanted for a part, where it is known. */
export function wantedPart(wanted: WantedParts, part: Part): string | undefined {
  return part === 'username' ? wanted.username : wanted[part]?.reveal();
}
