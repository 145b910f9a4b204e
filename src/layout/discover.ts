import { basename, dirname, join } from 'node:path';
import { Exit, Failure } from '../model/failure.ts';
import type { Layout, ServiceLayout } from '../model/layout.ts';
import { COMPOSE_NAMES, composeFacts, composeFileIn, urlFrom } from './compose-file.ts';
import { DEFAULT_KEYS } from './defaults.ts';
import type { FileView } from './file-view.ts';
import { PREDECESSOR_ENV, predecessorService } from './predecessor.ts';

export const LAYOUT_NAME = 'comfyui-auth.yml';

/** A plain `.env` beside a compose file. */
function plainService(root: string, files: FileView): ServiceLayout | undefined {
  const path = join(root, '.env');
  const composeFile = composeFileIn(root, files);
  if (composeFile === undefined || !files.exists(path)) return undefined;
  const facts = composeFacts(composeFile, undefined, files);
  const template = join(root, '.env.example');
  const passwordFile = ['login/PASSWORD', 'workspace/login/PASSWORD']
    .map((relative) => join(root, relative))
    .find((candidate) => files.exists(candidate));
  return {
    name: facts.name ?? basename(root),
    url: urlFrom(files.text(path)),
    restart: facts.restart,
    env: {
      kind: 'env-file',
      path,
      ...(files.exists(template) && { template }),
      readers: facts.readers,
      keys: { ...DEFAULT_KEYS },
      required: [],
      defaults: {},
    },
    authority: path,
    authorityDeclared: false,
    locations: passwordFile === undefined ? [] : [{ kind: 'password-file', path: passwordFile }],
  };
}

/**
 * Finds a deployment below `root` where no layout declares one: the predecessor's tree (domain.md §4), or a
 * plain `.env` beside a compose file. Only what exists is a location. Throws a Failure (exit 2) that says what was
 * looked for where nothing is found.
 */
export function discoverLayout(root: string, files: FileView): Layout {
  const service = predecessorService(root, files) ?? plainService(root, files);
  if (service !== undefined) return { root, services: [service] };
  throw new Failure({
    code: 'no-deployment',
    exit: Exit.usage,
    message:
      `${root} holds no deployment. Looked for: comfyui-auth.yml here and in the folders above; ` +
      `${PREDECESSOR_ENV}; .secrets/comfyui_auth_tokens.conf; a .env beside ${COMPOSE_NAMES.join(', ')}. Nothing was written.`,
    remedy: `run it in the deployment's folder, name it with --root DIR, or write a layout with "comfyui-auth init --root DIR"`,
    location: { path: root },
  });
}

/** The nearest folder, from `start` upwards, that holds a `comfyui-auth.yml`. */
export function nearestLayout(start: string, files: FileView): string | undefined {
  for (let folder = start; ; folder = dirname(folder)) {
    const candidate = join(folder, LAYOUT_NAME);
    if (files.exists(candidate)) return candidate;
    if (folder === dirname(folder)) return undefined;
  }
}
