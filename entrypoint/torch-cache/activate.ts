import { existsSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { liesIn } from '../../src/model/path.ts';
import { syncFolder } from '../../src/store/folder.ts';
import { readRegular } from '../../src/store/read-file.ts';
import { replaceFile } from '../../src/store/replace.ts';
import { removeFile } from '../../src/store/write-new.ts';
import type { PythonFacts } from '../python.ts';
import { asUser, canReplace, isGuarded } from './as-user.ts';
import { pythonPath } from './installer.ts';
import type { TorchPorts } from './ports.ts';
import { asPathRefusal } from './refusals.ts';

/** What is needed to change what Python sees. */
type Site = Pick<TorchPorts, 'context' | 'facts' | 'owner'>;

const FILE = 'comfyui-auth-torch.pth';

/** In its environment, Python does not see the store: to ask what is installed besides, or where the store is damaged. */
export const WITHOUT_STORE = { COMFYUI_AUTH_TORCH_STORE: 'off' } as const;

/**
 * The text of the file by which Python sees the store: it reads each `.pth` of site-packages at its start, and runs a
 * line that begins with `import`. A bare path would come behind site-packages, where an older PyTorch wins.
 */
export function pathFileText(packages: string): string {
  const unless = "os.environ.get('COMFYUI_AUTH_TORCH_STORE') == 'off'";
  const ends = "p.rstrip('/').endswith(('/site-packages', '/dist-packages'))";
  const first = `next((i for i, p in enumerate(sys.path) if ${ends}), len(sys.path))`;
  return [
    '# PyTorch from the cache of the container, before other packages. Written at the start of the container.\n',
    `import os, sys; ${unless} or sys.path.insert(${first}, ${JSON.stringify(packages)})\n`,
  ].join('');
}

/** What that file says now; undefined where there is none that can be read. */
function pathFileNow({ sitePackages }: PythonFacts): string | undefined {
  const found = readRegular(join(sitePackages, FILE), { maxBytes: 65_536 });
  return found.kind === 'file' ? found.bytes.toString('utf8') : undefined;
}

/** The folder of packages that Python sees by that file now, empty where the file is not ours; undefined for none. */
export function activePackages(facts: PythonFacts): string | undefined {
  const text = pathFileNow(facts);
  if (text === undefined) return undefined;
  const [, packages = ''] = /, "([^"\\]*)"\)$/m.exec(text) ?? [];
  return packages;
}

/** Lets Python see the packages; writes only what differs. Throws a `Refusal` (77, 74). */
export function activate(site: Site, packages: string): void {
  const text = pathFileText(packages);
  if (pathFileNow(site.facts) === text) return;
  changing(site, (path) => replaceFile(path, Buffer.from(text), { mode: 0o644 }));
}

/** Takes the store from Python's sight; nothing where it does not see one. Throws a `Refusal` (77, 74). */
export function deactivate(site: Site): void {
  if (!existsSync(join(site.facts.sitePackages, FILE))) return;
  changing(site, (path) => {
    removeFile(path);
    syncFolder(dirname(path));
  });
}

function changing(site: Site, change: (path: string) => void): void {
  const { context, facts, owner } = site;
  const path = join(facts.sitePackages, FILE);
  try {
    const ours = folderOfRoot(site);
    if (ours === undefined) asUser(context.user, () => change(path));
    else change(join(ours, FILE));
  } catch (error) {
    const what = `${facts.sitePackages} (site-packages)`;
    throw asPathRefusal(error, { code: 'site-packages-not-writable', path, what, owner });
  }
}

/**
 * Site-packages where root itself may write there: below the folder of the Python that was named (the user's own Python
 * could say anything), and out of the user's reach. Undefined where that user is to write.
 */
function folderOfRoot({ context, facts }: Site): string | undefined {
  const { user } = context;
  const python = pythonPath(context);
  if (!isGuarded(user) || !python.includes('/')) return undefined;
  const folder = realpathSync(facts.sitePackages);
  const prefix = realpathSync(dirname(dirname(python)));
  return liesIn(folder, prefix) && !canReplace(user, folder) ? folder : undefined;
}
