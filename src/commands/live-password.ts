import { statSync } from 'node:fs';
import { type PasswordFileContent, parsePasswordFile } from '../locations/password-file.ts';
import type { Place } from '../model/finding.ts';
import type { ServiceLayout } from '../model/layout.ts';
import { Secret } from '../model/secret.ts';
import type { Container } from '../service/container.ts';
import type { InsideLook } from '../service/look-inside.ts';
import type { FileSnapshot } from './gather.ts';
import { hostPath, passwordPath } from './live-mounts.ts';

/** The PASSWORD file that a server reads, as far as it can be seen. */
export interface PasswordView {
  place: Place;
  /** Absent where it could not be read. */
  content?: PasswordFileContent | 'missing';
  changedAt?: Date;
}

/** The bearer of a PASSWORD file that was read. */
export function bearerIn(view: PasswordView | undefined): Secret | undefined {
  const { content } = view ?? {};
  return content === undefined || content === 'missing' ? undefined : new Secret(content.bearer);
}

function changeOf(path: string): Date | undefined {
  try {
    return statSync(path).mtime;
  } catch {
    return undefined;
  }
}

/** The file of the host that the layout names, or that a mount shows; undefined where it cannot be read there. */
function onHost(path: string, files: FileSnapshot): PasswordView | undefined {
  const file = files.read(path);
  if (file.kind !== 'file') return undefined;
  const changedAt = changeOf(path);
  const content = parsePasswordFile(file.bytes);
  return { place: { path, kind: 'password-file' }, content, ...(changedAt !== undefined && { changedAt }) };
}

/** The layout's own PASSWORD file, for a server that runs in no container. */
export function layoutPassword(service: ServiceLayout, files: FileSnapshot): PasswordView | undefined {
  const location = service.locations.find((one) => one.kind === 'password-file');
  return location === undefined ? undefined : onHost(location.path, files);
}

/** The place of a file in a container, for findings. */
const placeIn = (container: Container, path: string): Place => ({
  path: `${container.name}:${path}`,
  kind: 'container',
});

/** PASSWORD as the processes of a running container see it, whatever the host has in its place by now. */
export async function passwordInside(
  service: ServiceLayout,
  container: Container,
  look: InsideLook,
): Promise<PasswordView> {
  const { path, sure } = passwordPath(container, service);
  const place = placeIn(container, path);
  const file = await look.file(container.id, path);
  if (file.kind === 'file') return { place, content: parsePasswordFile(file.bytes) };
  return file.kind === 'missing' && sure ? { place, content: 'missing' } : { place };
}

/** The PASSWORD file of a container, by the host where a mount shows it there, else from inside. */
export async function containerPassword(
  service: ServiceLayout,
  container: Container,
  files: FileSnapshot,
  look: InsideLook,
): Promise<PasswordView> {
  const { path } = passwordPath(container, service);
  const mounted = hostPath(container, path);
  const shown = mounted === undefined ? undefined : onHost(mounted, files);
  if (shown !== undefined) return shown;
  const inside = await passwordInside(service, container, look);
  const changedAt = await look.changedAt(container.id, path);
  return { ...inside, ...(changedAt !== undefined && { changedAt }) };
}
