import { readdirSync } from 'node:fs';
import { type AnyLocation, type LocationContent, locationsOf, readLocation } from '../locations/index.ts';
import type { Part } from '../model/credential.ts';
import type { ServiceLayout } from '../model/layout.ts';
import type { Secret } from '../model/secret.ts';
import { type ReadResult, readRegular } from '../store/read-file.ts';

/** A location with what its file was found to be, and to hold. */
export interface Observation {
  location: AnyLocation;
  file: ReadResult;
  /** Absent where there is no file to read. */
  content?: LocationContent;
}

/** Files as they were when the command began: each is read once, however many locations it serves. */
export class FileSnapshot {
  readonly #files = new Map<string, ReadResult>();
  readonly #folders = new Map<string, readonly string[]>();

  read(path: string): ReadResult {
    const known = this.#files.get(path);
    if (known !== undefined) return known;
    const result = readRegular(path);
    this.#files.set(path, result);
    return result;
  }

  /** The names in a folder; none where there is no such folder. */
  list(folder: string): readonly string[] {
    const known = this.#folders.get(folder);
    if (known !== undefined) return known;
    let names: string[] = [];
    try {
      names = readdirSync(folder).sort();
    } catch {
      // No folder, or none that this user may look into: then nothing is known to be in it.
    }
    this.#folders.set(folder, names);
    return names;
  }
}

/** What every location of a service holds now. */
export function observe(service: ServiceLayout, files: FileSnapshot): Observation[] {
  return locationsOf(service).map((location) => {
    const file = files.read(location.path);
    return file.kind === 'file'
      ? { location, file, content: readLocation(file.bytes, location) }
      : { location, file };
  });
}

/** A value of one part, and the places that hold it. */
export interface KnownValue {
  value: Secret;
  /** E.g. `.env COMFYUI_PASSWORD`; relative paths are made by the report. */
  places: { path: string; key?: string }[];
}

/** The distinct values of a part in the order of the locations, the authority's first. */
export function distinctValues(
  observations: readonly Observation[],
  part: Part,
  authority: string | undefined,
): KnownValue[] {
  const ordered = observations.toSorted(
    (a, b) => Number(b.location.path === authority) - Number(a.location.path === authority),
  );
  const known = new Map<string, KnownValue>();
  for (const held of ordered.flatMap((one) => one.content?.parts ?? [])) {
    if (held.part !== part) continue;
    const entry = known.get(held.value.reveal()) ?? { value: held.value, places: [] };
    const { path, key } = held.place;
    entry.places.push({ path, ...(key !== undefined && { key }) });
    known.set(held.value.reveal(), entry);
  }
  return [...known.values()];
}
