import { dirname, join, posix, relative } from 'node:path';
import { locationsOf } from '../locations/index.ts';
import type { ServiceLayout } from '../model/layout.ts';
import { liesIn } from '../model/path.ts';
import { realPath } from '../platform/real-path.ts';
import type { Container, Mount } from '../service/container.ts';

const USUAL_COMFYUI_DIR = '/workspace/ComfyUI';

const binds = (container: Container) => container.mounts.filter((one) => one.type === 'bind');

/** Where on the host lies what a container sees at a path; undefined for what the host does not show. */
export function hostPath(container: Container, inside: string): string | undefined {
  const covering = container.mounts
    .filter((one) => liesIn(inside, one.destination))
    .toSorted((a, b) => b.destination.length - a.destination.length)[0];
  if (covering?.type !== 'bind') return undefined;
  return join(covering.source, relative(covering.destination, inside));
}

/** Where a container sees what lies at a path of the host. */
function insidePath(container: Container, path: string): string | undefined {
  const mount = binds(container).find((one) => liesIn(realPath(path), realPath(one.source)));
  if (mount === undefined) return undefined;
  return posix.join(mount.destination, relative(realPath(mount.source), realPath(path)));
}

/** Where a container has its PASSWORD file; `sure` where mounts or its own environment say so. */
export function passwordPath(container: Container, service: ServiceLayout): { path: string; sure: boolean } {
  const mounted = passwordLocations(service).flatMap((path) => insidePath(container, path) ?? []);
  if (mounted[0] !== undefined) return { path: mounted[0], sure: true };
  const named = container.env.get('COMFYUI_DIR')?.reveal();
  const folder = named?.startsWith('/') ? named : USUAL_COMFYUI_DIR;
  return { path: posix.join(folder, 'login', 'PASSWORD'), sure: named !== undefined };
}

const passwordLocations = (service: ServiceLayout) =>
  service.locations.filter((one) => one.kind === 'password-file').map((one) => one.path);

/** How many of the layout's files the container sees. */
export function mountedCount(container: Container, service: ServiceLayout): number {
  const paths = new Set(locationsOf(service).map((one) => one.path));
  return [...paths].filter((path) => insidePath(container, path) !== undefined).length;
}

/** What a container takes from another checkout than the layout's: what, and what it should be. */
export interface Elsewhere {
  how: 'mount' | 'made';
  source: string;
  expected: string;
}

/** The PASSWORD file that the container sees, where it is another one than the layout's. */
function passwordElsewhere(container: Container, service: ServiceLayout): Elsewhere | undefined {
  const [expected, ...more] = passwordLocations(service);
  const source = hostPath(container, passwordPath(container, service).path);
  if (expected === undefined || source === undefined) return undefined;
  if ([expected, ...more].some((path) => realPath(path) === realPath(source))) return undefined;
  return { how: 'mount', source, expected };
}

/** A mount of what has the same way below another root, in place of a location of the layout. */
function twinMount(container: Container, service: ServiceLayout, root: string): Elsewhere | undefined {
  const isTwin = ({ source }: Mount, way: string) => `${source}/`.endsWith(`/${way}/`);
  for (const { path } of locationsOf(service)) {
    if (!liesIn(path, root) || insidePath(container, path) !== undefined) continue;
    for (let own = path; own !== root; own = dirname(own)) {
      const twin = binds(container).find(
        (one) => isTwin(one, relative(root, own)) && realPath(one.source) !== realPath(own),
      );
      if (twin !== undefined) return { how: 'mount', source: twin.source, expected: own };
    }
  }
  return undefined;
}

/** The folder that Compose made the container from, where it is not one of this layout around the compose file. */
function madeElsewhere(container: Container, service: ServiceLayout, root: string): Elsewhere | undefined {
  if (container.workingDir === undefined || service.restart.driver !== 'compose') return undefined;
  const [made, file] = [realPath(container.workingDir), realPath(service.restart.file)];
  const expected = dirname(file);
  // `--project-directory` names a folder further up.
  if (made === expected || (liesIn(file, made) && liesIn(made, realPath(root)))) return undefined;
  return { how: 'made', source: container.workingDir, expected: dirname(service.restart.file) };
}

/** The first sign that a container belongs to another checkout than the layout does; by names and links alone. */
export function elsewhere(container: Container, service: ServiceLayout, root: string): Elsewhere | undefined {
  return (
    passwordElsewhere(container, service) ??
    twinMount(container, service, root) ??
    madeElsewhere(container, service, root)
  );
}
