import type { EnvFileLocation, ServiceLayout } from '../model/layout.ts';
import type { Adapter, AnyLocation, LocationContent, Slot, WantedParts, WriteResult } from './adapter.ts';
import { confJson } from './conf-json.ts';
import { envFile } from './env-file.ts';
import { envKey } from './env-key.ts';
import { passwordFile } from './password-file.ts';
import { tokenFile } from './token-file.ts';

export type { AnyLocation, HeldPart, LocationContent, Slot, WantedParts, WriteResult } from './adapter.ts';

const ADAPTERS: { [K in AnyLocation['kind']]: Adapter<Extract<AnyLocation, { kind: K }>> } = {
  'env-file': envFile,
  'env-key': envKey,
  'token-file': tokenFile,
  'conf-json': confJson,
  'password-file': passwordFile,
};

/** The adapter of a location's kind. The map above pairs them, which the compiler cannot see through a lookup. */
function adapterOf(location: AnyLocation): Adapter<AnyLocation> {
  return ADAPTERS[location.kind] as unknown as Adapter<AnyLocation>;
}

/** All locations of a service, the `.env` first. */
export function locationsOf(service: ServiceLayout): AnyLocation[] {
  const env: EnvFileLocation[] = service.env === undefined ? [] : [service.env];
  return [...env, ...service.locations];
}

/** The slots that a location should have. */
export function slotsOf(location: AnyLocation): Slot[] {
  return adapterOf(location).slots(location);
}

/** What a location's bytes hold. */
export function readLocation(bytes: Buffer, location: AnyLocation, expected?: WantedParts): LocationContent {
  return adapterOf(location).read(bytes, location, expected);
}

/** A location's bytes with the wanted parts in them, or the findings that stand in the way. */
export function writeLocation(bytes: Buffer | null, location: AnyLocation, wanted: WantedParts): WriteResult {
  return adapterOf(location).write(bytes, location, wanted);
}
