import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { syncFolder } from '../../src/store/folder.ts';
import { replaceFile } from '../../src/store/replace.ts';
import { unless } from '../../src/store/system-call.ts';
import { removeFile } from '../../src/store/write-new.ts';
import type { PythonFacts } from '../python.ts';
import { asPathRefusal } from './refusals.ts';

/** The file by which Python sees the store: it reads each `.pth` of site-packages at its start. */
const pathFile = ({ sitePackages }: PythonFacts): string => join(sitePackages, 'comfyui-auth-torch.pth');

/** In its environment, Python does not see the store: to ask what is installed besides, or where the store is damaged. */
export const WITHOUT_STORE = { COMFYUI_AUTH_TORCH_STORE: 'off' } as const;

/**
 * The text of that file. Python runs a line that begins with `import`: a bare path would come behind site-packages,
 * where an older PyTorch wins.
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

/** The folder of packages that Python sees by that file now, empty where the file is not ours; undefined for none. */
export function activePackages(facts: PythonFacts): string | undefined {
  const text = unless(['ENOENT', 'ENOTDIR', 'EACCES'], () => readFileSync(pathFile(facts), 'utf8'));
  if (text === undefined) return undefined;
  const [, packages = ''] = /, "([^"\\]*)"\)$/m.exec(text) ?? [];
  return packages;
}

/** Lets Python see the packages; writes only what differs. Throws a `Refusal` (77, 74). */
export function activate(facts: PythonFacts, packages: string): void {
  const path = pathFile(facts);
  const text = pathFileText(packages);
  if (unless(['ENOENT', 'ENOTDIR', 'EACCES'], () => readFileSync(path, 'utf8')) === text) return;
  changing(facts, () => replaceFile(path, Buffer.from(text), { mode: 0o644 }));
}

/** Takes the store from Python's sight; nothing where it does not see one. Throws a `Refusal` (77, 74). */
export function deactivate(facts: PythonFacts): void {
  const path = pathFile(facts);
  if (!existsSync(path)) return;
  changing(facts, () => {
    removeFile(path);
    syncFolder(dirname(path));
  });
}

function changing(facts: PythonFacts, change: () => void): void {
  try {
    change();
  } catch (error) {
    const path = pathFile(facts);
    throw asPathRefusal(error, 'site-packages-not-writable', path, `${facts.sitePackages} (site-packages)`);
  }
}
