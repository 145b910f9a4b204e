import { dirname } from 'node:path';
import { wantedPart } from '../locations/adapter.ts';
import {
  type AnyLocation,
  type HeldPart,
  locationsOf,
  readLocation,
  slotsOf,
  type WantedParts,
  writeLocation,
} from '../locations/index.ts';
import { Exit, Failure } from '../model/failure.ts';
import type { Finding } from '../model/finding.ts';
import type { Owner, ServiceLayout } from '../model/layout.ts';
import { requireReplaceable } from '../store/change.ts';
import { look } from '../store/look.ts';
import type { ReadResult } from '../store/read-file.ts';
import type { FileChange } from '../store/transaction.ts';
import { fileFindings } from './file-findings.ts';
import type { FileSnapshot } from './gather.ts';

/** What a plan does with one file (contract.md, JSON, `sync`). */
export interface PlannedFile {
  path: string;
  action: 'create' | 'update' | 'none';
  /** Keys or parts that change; `mode` where only the permissions do. */
  keys: string[];
}

export interface PlannedService {
  name: string;
  files: PlannedFile[];
}

/** The writes of all services together: a file that serves several locations is written once. */
export interface Plan {
  services: PlannedService[];
  changes: FileChange[];
  /** What stands in the way; where there is any, nothing is written. */
  refusals: Finding[];
}

/** A file while the plan is being made: what each location made of the bytes so far. */
interface Draft {
  file: ReadResult;
  bytes: Buffer | null;
  uses: { location: AnyLocation; wanted: WantedParts }[];
}

const ownWrite = (mode: number) => mode & 0o700;

/** The mode that a file should get: closed to others. A PASSWORD file keeps its own: ComfyUI must read it. */
function wantedMode({ file, uses }: Draft): number | undefined {
  if (file.kind !== 'file' || uses.some(({ location }) => location.kind === 'password-file'))
    return undefined;
  return (file.mode & 0o077) === 0 || process.platform === 'win32' ? undefined : ownWrite(file.mode);
}

/** The owner of a new PASSWORD file: the declared one, else its folder's (contract.md, Layout). */
function wantedOwner({ file, uses }: Draft, path: string): Owner | undefined {
  const location = uses.find((one) => one.location.kind === 'password-file')?.location;
  if (location?.kind !== 'password-file' || file.kind === 'file' || process.platform === 'win32')
    return undefined;
  if (location.owner !== undefined) return location.owner;
  return ownerAround(dirname(path));
}

/** The owner of a folder, or of the nearest one above it that is there: the ones between are made for the file. */
function ownerAround(folder: string): Owner | undefined {
  const found = look(folder);
  if (found !== undefined) return { uid: found.uid, gid: found.gid };
  return folder === dirname(folder) ? undefined : ownerAround(dirname(folder));
}

/** Whether every slot of a location holds its part, where that is known. */
function holdsAll(location: AnyLocation, parts: readonly HeldPart[], wanted: WantedParts): boolean {
  return slotsOf(location).every(({ holds, key }) => {
    const part = holds === 'credential' ? 'bearer' : holds;
    if (wantedPart(wanted, part) === undefined) return true;
    return parts.some((held) => held.part === part && (key === undefined || held.place.key === key));
  });
}

/** Reads new bytes back as every location of the file would, and compares. */
function validator(path: string, uses: Draft['uses']): (bytes: Buffer) => void {
  return (bytes) => {
    for (const { location, wanted } of uses) {
      const { parts } = readLocation(bytes, location, wanted);
      const good = parts.every(({ part, value }) => {
        const expected = wantedPart(wanted, part);
        return expected === undefined || value.reveal() === expected;
      });
      if (good && holdsAll(location, parts, wanted)) continue;
      throw new Failure({
        code: 'not-understood',
        exit: Exit.usage,
        message: `${path}: what would be written would not be read back as meant (${location.kind}); nothing was written`,
        remedy: 'look at the file for a key that stands twice, mend it by hand, and run the command again',
        location: { path },
      });
    }
  };
}

/** Collects the drafts of all services and turns them into one list of changes. */
export class Planner {
  readonly #files: FileSnapshot;
  readonly #drafts = new Map<string, Draft>();
  readonly #plan: Plan = { services: [], changes: [], refusals: [] };

  constructor(files: FileSnapshot) {
    this.#files = files;
  }

  /** Plans all locations of a service. What is not known of `wanted` stays as it is. */
  add(service: ServiceLayout, wanted: WantedParts): void {
    const keys = new Map<string, string[]>();
    for (const location of locationsOf(service)) {
      const changed = this.#draft(location, wanted, service);
      keys.set(location.path, [...(keys.get(location.path) ?? []), ...changed]);
    }
    const files = [...keys].map(([path, changed]) => this.#planned(path, changed));
    this.#plan.services.push({ name: service.name, files });
  }

  #draft(location: AnyLocation, wanted: WantedParts, service: ServiceLayout): string[] {
    const file = this.#files.read(location.path);
    const bytes = file.kind === 'file' ? file.bytes : null;
    const draft = this.#drafts.get(location.path) ?? { file, bytes, uses: [] };
    this.#drafts.set(location.path, draft);
    if (file.kind === 'not-a-file' || file.kind === 'unreadable') {
      this.#refuse(fileFindings(location, file, service), service);
      return [];
    }
    draft.uses.push({ location, wanted });
    const result = writeLocation(draft.bytes, location, wanted);
    if (!result.ok) {
      this.#refuse(result.findings, service);
      return [];
    }
    draft.bytes = result.bytes;
    return result.changed;
  }

  #refuse(findings: readonly Finding[], service: ServiceLayout): void {
    for (const one of findings) this.#plan.refusals.push({ ...one, service: service.name });
  }

  #planned(path: string, changed: string[]): PlannedFile {
    const draft = this.#drafts.get(path);
    if (draft === undefined || draft.bytes === null) return { path, action: 'none', keys: [] };
    if (draft.file.kind === 'missing') return { path, action: 'create', keys: changed };
    const keys = wantedMode(draft) === undefined ? changed : [...changed, 'mode'];
    return { path, action: keys.length > 0 ? 'update' : 'none', keys };
  }

  /** The plan, complete when all services were added. */
  finish(): Plan {
    for (const [path, draft] of this.#drafts) {
      const { file, bytes, uses } = draft;
      if (bytes === null || (file.kind !== 'file' && file.kind !== 'missing')) continue;
      const mode = wantedMode(draft);
      const owner = wantedOwner(draft, path);
      const same = file.kind === 'file' && bytes.equals(file.bytes) && mode === undefined;
      if (same) {
        // Two locations may have undone each other's change: then this run cannot say that all is well.
        if (new Set(uses.map((one) => one.wanted)).size > 1) validator(path, uses)(bytes);
        continue;
      }
      this.#plan.changes.push({
        path,
        content: bytes,
        expected: file.kind === 'file' ? file.identity : null,
        ...(mode !== undefined && { mode }),
        ...(owner !== undefined && { owner }),
        validate: validator(path, uses),
      });
    }
    return this.#plan;
  }
}

/**
 * Throws for a hard link, or a folder that cannot be written to. A run that is not done yet has such links of its
 * own: while there is its journal nothing is said, and where it has just ended a second look is taken.
 */
export function requirePlaces(plan: Plan, otherAtWork: () => boolean): void {
  for (const { path } of plan.changes) {
    try {
      requireReplaceable(path);
    } catch {
      if (otherAtWork()) return;
      requireReplaceable(path);
    }
  }
}
