import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import { stringify } from 'yaml';
import { discoverLayout, LAYOUT_NAME } from '../layout/discover.ts';
import { loadLayout } from '../layout/load.ts';
import type { AnyLocation } from '../locations/index.ts';
import { Exit, type ExitCode, Failure } from '../model/failure.ts';
import { formatReaderSpec, type Layout, type ServiceLayout } from '../model/layout.ts';
import { readRegular } from '../store/read-file.ts';
import { replaceFile } from '../store/replace.ts';
import { distinctValues, FileSnapshot, observe } from './gather.ts';
import { diskView } from './target.ts';
import type { Target, World } from './world.ts';

export interface InitRequest extends Target {
  dryRun: boolean;
}

export interface InitResult {
  command: 'init';
  status: 'created' | 'unchanged' | 'planned';
  exitCode: ExitCode;
  root: string;
  services: { name: string; locations: { path: string; kind: AnyLocation['kind'] }[] }[];
  findings: [];
  file: string;
  /** The text of the layout; it holds no secret. */
  text: string;
}

const HEADER = `# Every place that holds a part of ComfyUI-Login's credential. Paths are relative to this folder.
# Check it, then see "comfyui-auth audit". "authority" is where the truth is when no secret is handed in.
# Say who ComfyUI runs as, where that is not the owner of its login folder:  owner: "1000:1000"
`;

const DISPUTED = `# Several passwords are deployed that disagree: add  authority: PATH  to say which location is right.
`;

/** Whether the files hold plaintexts that disagree: then it is the operator who names the authority. */
function isDisputed(service: ServiceLayout): boolean {
  return distinctValues(observe(service, new FileSnapshot()), 'password', undefined).length > 1;
}

/** A service in the words of the layout file. */
function written(discovered: ServiceLayout, root: string): object {
  const { authority: _, ...undecided } = discovered;
  const service: ServiceLayout = isDisputed(discovered) ? undecided : discovered;
  const path = (absolute: string) => relative(root, absolute).split(sep).join('/');
  const { env, restart, authority } = service;
  const rest = service.locations.filter((one) => one.path !== authority || one.kind === 'env-key');
  return {
    url: service.url,
    restart: restart.driver === 'compose' ? { ...restart, file: path(restart.file) } : restart,
    ...(env !== undefined && {
      env: {
        file: path(env.path),
        ...(env.template !== undefined && { template: path(env.template) }),
        readers: env.readers.map(formatReaderSpec),
        keys: env.keys,
        required: env.required,
      },
    }),
    ...(authority !== undefined && { authority: path(authority) }),
    locations: rest.map((location) => ({
      ...location,
      path: path(location.path),
      ...(location.kind === 'env-key' && { readers: location.readers.map(formatReaderSpec) }),
    })),
  };
}

/** The text of a layout file, to stand in a folder, that says what was discovered. */
function layoutText(layout: Layout, folder: string): string {
  const services = Object.fromEntries(
    layout.services.map((service) => [service.name, written(service, folder)]),
  );
  const disputed = layout.services.some(isDisputed) ? DISPUTED : '';
  return HEADER + disputed + stringify({ version: 1, services }, { lineWidth: 0 });
}

/**
 * Writes `comfyui-auth.yml` from what it finds in the root. Throws a Failure (exit 2) where a different one is there:
 * it may hold what nobody could discover.
 */
export async function init(request: InitRequest, world: World): Promise<InitResult> {
  const root = resolve(world.cwd, request.root ?? '.');
  const file = request.layout === undefined ? join(root, LAYOUT_NAME) : resolve(world.cwd, request.layout);
  const layout = discoverLayout(root, diskView);
  const text = layoutText(layout, dirname(file));
  loadLayout(text, file);
  const now = readRegular(file);
  const same = now.kind === 'file' && now.bytes.toString('utf8') === text;
  if (now.kind !== 'missing' && !same) {
    throw new Failure({
      code: 'layout-exists',
      exit: Exit.usage,
      message: `${file} is there already; it was left as it is`,
      remedy: `see what would be written with "comfyui-auth init --dry-run", or move ${basename(file)} away first`,
      location: { path: file },
    });
  }
  if (!same && !request.dryRun) replaceFile(file, Buffer.from(text), { mode: 0o644 });
  return {
    command: 'init',
    status: same ? 'unchanged' : request.dryRun ? 'planned' : 'created',
    exitCode: Exit.ok,
    root,
    services: layout.services.map((service) => ({
      name: service.name,
      locations: [...(service.env === undefined ? [] : [service.env]), ...service.locations].map(
        ({ path, kind }) => ({ path, kind }),
      ),
    })),
    findings: [],
    file,
    text,
  };
}
