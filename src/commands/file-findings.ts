import { dirname, join } from 'node:path';
import type { AnyLocation } from '../locations/index.ts';
import { type Finding, finding, type Place } from '../model/finding.ts';
import type { Owner, ServiceLayout } from '../model/layout.ts';
import { liesIn } from '../model/path.ts';
import { look } from '../store/look.ts';
import type { ReadResult, RegularFile } from '../store/read-file.ts';

const onPosix = process.platform !== 'win32';

/** What a user may do, as one digit of a mode. */
const READ = 4;
const ENTER = 1;

/** Whether a user may read a file, or enter a folder, of this owner and mode (root always may). */
function may(user: Owner, right: number, { owner, mode }: { owner: Owner; mode: number }): boolean {
  if (user.uid === 0) return true;
  if (user.uid === owner.uid) return (mode & (right << 6)) !== 0;
  return (mode & (user.gid === owner.gid ? right << 3 : right)) !== 0;
}

/** The folders from a file's own up to the one below the root; a file elsewhere has only its own. */
function foldersUpTo(path: string, root: string): string[] {
  const own = dirname(path);
  if (!liesIn(own, root)) return [own];
  const folders: string[] = [];
  for (let folder = own; folder !== root; folder = dirname(folder)) folders.push(folder);
  return folders;
}

/**
 * Folders that keep ComfyUI's user from its PASSWORD file: as bad as one that it cannot read. The root and what
 * lies above are no concern: into a container only folders below are mounted.
 */
export function closedFolderFindings(service: ServiceLayout, root: string): Finding[] {
  if (!onPosix) return [];
  return service.locations.flatMap((location) => {
    if (location.kind !== 'password-file' || location.owner === undefined) return [];
    const { uid, gid } = location.owner;
    return foldersUpTo(location.path, root).flatMap((path) => {
      const folder = look(path);
      if (folder === undefined) return [];
      const owner = { uid: folder.uid, gid: folder.gid };
      if (may({ uid, gid }, ENTER, { owner, mode: folder.mode })) return [];
      const args = { uid, gid, owner: owner.uid };
      const place: Place = { path, kind: 'file' };
      return [finding('owner-wrong', { service: service.name, severity: 'critical', location: place, args })];
    });
  });
}

/** A PASSWORD file that ComfyUI cannot read opens the server (reliability.md §1.2). */
function ownerFindings(location: AnyLocation, file: RegularFile, place: Place): Finding[] {
  if (location.kind !== 'password-file' || !onPosix) return [];
  const { owner } = location;
  if (owner !== undefined) {
    if (may(owner, READ, file)) return [];
    const args = { uid: owner.uid, gid: owner.gid, owner: file.owner.uid };
    return [finding('owner-wrong', { severity: 'critical', location: place, args })];
  }
  const folder = look(dirname(location.path));
  const sameAsFolder = folder?.uid === file.owner.uid;
  if (sameAsFolder || (file.mode & 0o004) !== 0) return [];
  return [finding('owner-unknown', { location: place, args: { owner: file.owner.uid } })];
}

/** What stands beside a PASSWORD file and opens the server (container.md §1: F12, F13, F17). */
function neighbourFindings(location: AnyLocation): Finding[] {
  if (location.kind !== 'password-file') return [];
  const login = dirname(location.path);
  const comfy = dirname(login);
  const found: Finding[] = [];
  const note = (code: 'guest-mode-on' | 'legacy-password-file' | 'session-key-open', path: string) =>
    found.push(finding(code, { location: { path, kind: 'file' } }));
  if (look(join(login, 'GUEST_MODE')) !== undefined) note('guest-mode-on', join(login, 'GUEST_MODE'));
  if (look(join(comfy, 'PASSWORD')) !== undefined) note('legacy-password-file', join(comfy, 'PASSWORD'));
  const key = join(comfy, 'custom_nodes', 'ComfyUI-Login', '.secret-key.txt');
  if (onPosix && ((look(key)?.mode ?? 0) & 0o077) !== 0) note('session-key-open', key);
  return found;
}

/** Findings on a location's file that need no look into it: is it there, whose is it, who may read it. */
export function fileFindings(location: AnyLocation, file: ReadResult, service: ServiceLayout): Finding[] {
  const place: Place = { path: location.path, kind: location.kind };
  const neighbours = neighbourFindings(location);
  switch (file.kind) {
    case 'missing': {
      const code = location.kind === 'password-file' ? 'password-file-missing' : 'file-missing';
      return [finding(code, { location: place }), ...neighbours];
    }
    case 'not-a-file':
      return [finding('not-a-file', { location: place, args: { what: file.what } }), ...neighbours];
    case 'unreadable':
      return [finding('file-unreadable', { location: place, args: { reason: file.code } }), ...neighbours];
    case 'file': {
      const findings = [...ownerFindings(location, file, place), ...neighbours];
      if (onPosix && (file.mode & 0o077) !== 0 && !sharedOnPurpose(location, file, service)) {
        const mode = file.mode.toString(8).padStart(4, '0');
        findings.push(finding('mode-too-open', { location: place, args: { mode } }));
      }
      return findings;
    }
  }
}

/** A PASSWORD file that its group reads because ComfyUI runs in that group is no fault. */
function sharedOnPurpose(location: AnyLocation, file: RegularFile, service: ServiceLayout): boolean {
  if (location.kind !== 'password-file' || (file.mode & 0o007) !== 0) return false;
  const user = location.owner ?? service.owner;
  return user !== undefined && user.uid !== file.owner.uid && user.gid === file.owner.gid;
}
