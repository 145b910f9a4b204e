import { resolve } from 'node:path';
import { discoverLayout, LAYOUT_NAME, nearestLayout } from '../layout/discover.ts';
import type { FileView } from '../layout/file-view.ts';
import { loadLayout } from '../layout/load.ts';
import { withTemplate } from '../layout/template.ts';
import { Exit, Failure } from '../model/failure.ts';
import type { Layout, ServiceLayout } from '../model/layout.ts';
import { look } from '../store/look.ts';
import { readRegular } from '../store/read-file.ts';
import type { Target, World } from './world.ts';

/** Errors of a path that leads through a file, or that no file system could hold: nothing stands there. */
const NOWHERE = new Set(['ENOTDIR', 'ENAMETOOLONG']);

/** Discovery's view of the file system: looks, never writes, never fails. */
export const diskView: FileView = {
  text(path) {
    const found = readRegular(path);
    return found.kind === 'file' ? found.bytes.toString('utf8') : undefined;
  },
  exists(path) {
    const found = readRegular(path, { maxBytes: 0 });
    // What may not be looked at counts as there: reading it then says why not.
    return found.kind === 'unreadable' ? !NOWHERE.has(found.code) : found.kind !== 'missing';
  },
};

function readLayout(file: string): Layout {
  const found = readRegular(file);
  if (found.kind === 'file') return loadLayout(found.bytes.toString('utf8'), file);
  const why =
    found.kind === 'missing' ? 'is not there' : found.kind === 'not-a-file' ? `is ${found.what}` : found.code;
  throw new Failure({
    code: 'layout-unreadable',
    exit: found.kind === 'unreadable' ? Exit.unknown : Exit.usage,
    message: `the layout ${file} cannot be read: ${why}`,
    remedy: 'name an existing file with --layout FILE, or write one with "comfyui-auth init"',
    location: { path: file },
  });
}

function requireFolder(root: string): void {
  const stats = look(root);
  if (stats?.isDirectory() || stats?.isSymbolicLink()) return;
  throw new Failure({
    code: 'root-missing',
    exit: Exit.usage,
    message: `${root} is ${stats === undefined ? 'not there' : 'no folder'}`,
    remedy: 'name the folder of the deployment with --root DIR',
    location: { path: root },
  });
}

/** The layout of a target: the named file, the root's, the nearest one upwards, else what is discovered. */
export function findLayout(target: Target, world: World): Layout {
  const root = resolve(world.cwd, target.root ?? '.');
  requireFolder(root);
  if (target.layout !== undefined) return readLayout(resolve(world.cwd, target.layout));
  const own = resolve(root, LAYOUT_NAME);
  const file =
    target.root !== undefined ? (diskView.exists(own) ? own : undefined) : nearestLayout(root, diskView);
  const layout = file === undefined ? discoverLayout(root, diskView) : readLayout(file);
  return { ...layout, services: layout.services.map((service) => withTemplate(service, diskView)) };
}

/** The services that a target names, or all. Throws a Failure (exit 2) for a name that the layout does not have. */
export function chosenServices(layout: Layout, target: Target): ServiceLayout[] {
  if (target.services.length === 0) return layout.services;
  return target.services.map((name) => {
    const service = layout.services.find((one) => one.name === name);
    if (service !== undefined) return service;
    throw new Failure({
      code: 'service-unknown',
      exit: Exit.usage,
      message: `there is no service "${name}" in ${layout.file ?? layout.root}; it has ${layout.services.map((one) => one.name).join(', ')}`,
      remedy: 'name one of these with --service NAME',
      location: { path: layout.file ?? layout.root },
    });
  });
}

/**
 * Secrets that are handed in belong to one service. Throws a Failure (exit 2) where the layout has several and none
 * was named: the others would silently get a credential that was not meant for them.
 */
export function requireOneService(
  layout: Layout,
  chosen: readonly ServiceLayout[],
  target: Target,
  origin: string,
): void {
  if (chosen.length === 1 || target.services.length > 0) return;
  throw new Failure({
    code: 'service-unnamed',
    exit: Exit.usage,
    message: `one credential comes from ${origin}, but ${layout.file ?? layout.root} has ${chosen.length} services`,
    remedy: `name the services it is for: ${chosen
      .slice(0, 3)
      .map((one) => `--service ${one.name}`)
      .join(' or ')}`,
    location: { path: layout.file ?? layout.root },
  });
}
