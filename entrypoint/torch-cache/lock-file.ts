import { readRegular } from '../../src/store/read-file.ts';
import { exitOfErrno, Refusal } from '../exit.ts';
import { faultOfIndexUrl, type TorchSettings } from './settings.ts';

/** The packages that must come from one backend. */
export const TORCH_PACKAGES = ['torch', 'torchvision', 'torchaudio'] as const;

export interface LockedPackage {
  /** Normalised as PEP 503 says: `nvidia-cublas-cu12`. */
  name: string;
  /** With its local part: `2.5.1+cu124`. */
  version: string;
  /** SHA-256, hex, sorted. */
  hashes: string[];
}

/** What must be importable: each package pinned exactly, each wheel known by its hash. */
export interface TorchLock {
  path: string;
  /** Sorted by name. */
  packages: LockedPackage[];
  indexUrl?: string;
  extraIndexUrls: string[];
  /** The local part of PyTorch's version, `cu124` or `cpu`; `default` where there is none. */
  backend: string;
}

/** The names to ask Python about (`PythonFacts.versions`). */
export const distributionsOf = (lock: TorchLock): string[] => lock.packages.map(({ name }) => name);

/** The one spelling of a package's name (PEP 503). */
export const normalName = (name: string): string => name.toLowerCase().replace(/[-_.]+/g, '-');

/** The one spelling of a version's case and local part (PEP 440). */
export const normalVersion = (version: string): string => {
  const [release = '', local] = version.toLowerCase().split('+');
  return local === undefined ? release : `${release}+${local.replace(/[-_]/g, '.')}`;
};

/** Package and version of a folder of metadata, `torch-2.5.1.dist-info`; undefined for any other name. */
export function readDistInfo(folder: string): { name: string; version: string } | undefined {
  const [, name, version] = /^(.+)-([^-]+)\.dist-info$/.exec(folder) ?? [];
  if (name === undefined || version === undefined) return undefined;
  return { name: normalName(name), version: normalVersion(version) };
}

/** Reads the lock; undefined where there is none. Throws a `Refusal` (78, 77, 74) that names the file and the line. */
export function readTorchLock({ lockPath }: TorchSettings): TorchLock | undefined {
  if (lockPath === undefined) return undefined;
  const found = readRegular(lockPath, { maxBytes: 4 * 1024 * 1024, follow: true });
  if (found.kind === 'file') return parseLock(lockPath, found.bytes.toString('utf8'));
  const why = { missing: 'is not there', 'not-a-file': 'is no file', unreadable: 'cannot be read' }[
    found.kind
  ];
  throw new Refusal({
    code: 'torch-lock-unreadable',
    ...(found.kind === 'unreadable' && { exit: exitOfErrno(found.code) }),
    message: `TORCH_LOCK: ${lockPath} ${why}`,
    remedy: 'mount the lock file there, readable by the container’s first process, or leave TORCH_LOCK unset',
  });
}

const HOW =
  'write it by `uv pip compile --generate-hashes` or `pip-compile --generate-hashes`, for one platform';

const refused = (path: string, line: number, why: string, remedy = HOW) =>
  new Refusal({ code: 'torch-lock-invalid', message: `TORCH_LOCK: ${path}, line ${line}: ${why}`, remedy });

interface Line {
  number: number;
  words: string[];
}

/** The lines with something on them; a backslash at the end goes on with the next one. */
function logicalLines(text: string): Line[] {
  const lines: Line[] = [];
  let open: Line | undefined;
  for (const [index, raw] of text.split(/\r?\n/).entries()) {
    const bare = raw.replace(/(^|\s)#.*$/, '').trim();
    const goesOn = bare.endsWith('\\');
    const words = (goesOn ? bare.slice(0, -1) : bare).split(/\s+/).filter((word) => word !== '');
    open ??= { number: index + 1, words: [] };
    open.words.push(...words);
    if (goesOn) continue;
    if (open.words.length > 0) lines.push(open);
    open = undefined;
  }
  return open === undefined || open.words.length === 0 ? lines : [...lines, open];
}

/** Parses a lock. Anything that pip would read but that does not pin is refused: it could install something else. */
export function parseLock(path: string, text: string): TorchLock {
  const found = new Map<string, LockedPackage & { line: number }>();
  const options = { indexUrls: [] as string[], extraIndexUrls: [] as string[] };
  for (const line of logicalLines(text)) {
    const fail = (why: string, remedy?: string) => refused(path, line.number, why, remedy);
    if (line.words[0]?.startsWith('-')) {
      readOption(line.words, options, fail);
      continue;
    }
    const one = readPackage(line.words, fail);
    const before = found.get(one.name);
    if (before !== undefined) throw fail(`${one.name} stands on line ${before.line} already`);
    found.set(one.name, { ...one, line: line.number });
  }
  const backend = oneBackend(path, found);
  const [indexUrl] = options.indexUrls;
  return {
    path,
    packages: [...found.values()]
      .map(({ name, version, hashes }) => ({ name, version, hashes }))
      .sort((a, b) => (a.name < b.name ? -1 : 1)),
    ...(indexUrl !== undefined && { indexUrl }),
    extraIndexUrls: options.extraIndexUrls,
    backend,
  };
}

type Fail = (why: string, remedy?: string) => Refusal;

function readOption(
  words: string[],
  options: { indexUrls: string[]; extraIndexUrls: string[] },
  fail: Fail,
): void {
  const [, name, url, ...rest] = /^(--(?:extra-)?index-url)[ =](\S+)( .*)?$/.exec(words.join(' ')) ?? [];
  if (name === undefined || url === undefined || rest.some((one) => one !== undefined)) {
    throw fail('an option other than --index-url and --extra-index-url', 'remove that line from the lock');
  }
  const fault = faultOfIndexUrl(url);
  if (fault !== undefined) throw fail(`the address of the index ${fault.why}`, fault.remedy);
  if (name === '--extra-index-url') options.extraIndexUrls.push(url);
  else if (options.indexUrls.length > 0) throw fail('a second --index-url', 'write it as --extra-index-url');
  else options.indexUrls.push(url);
}

function readPackage(words: string[], fail: Fail): LockedPackage {
  const [spec = '', ...rest] = words;
  const [, name, version] =
    /^([A-Za-z0-9][\w.-]*)(?:\[[\w.,-]*\])?==([A-Za-z0-9][\w.!+-]*)$/.exec(spec) ?? [];
  if (words.some((word) => word.includes(';'))) throw fail('a condition (`;`): a lock is for one platform');
  if (name === undefined || version === undefined) throw fail('no package that is pinned by name==version');
  const hashes = rest.map((word) => {
    const [, hash] = /^--hash=sha256:([0-9a-f]{64})$/.exec(word) ?? [];
    if (hash === undefined) throw fail(`something other than --hash=sha256:… behind ${name}`);
    return hash;
  });
  if (hashes.length === 0) throw fail(`${name} has no --hash=sha256:…`);
  return { name: normalName(name), version: normalVersion(version), hashes: [...new Set(hashes)].sort() };
}

/** PyTorch and its companions are built against each other: a mix imports badly, or not at all. */
function oneBackend(path: string, found: Map<string, LockedPackage & { line: number }>): string {
  const three = TORCH_PACKAGES.map((name) => {
    const one = found.get(name);
    if (one !== undefined) return { ...one, local: one.version.split('+')[1] ?? 'default' };
    throw new Refusal({
      code: 'torch-lock-invalid',
      message: `TORCH_LOCK: ${path} lacks ${name}`,
      remedy: `lock ${TORCH_PACKAGES.join(', ')} together`,
    });
  });
  const [first] = three;
  const other = three.find(({ local }) => local !== first?.local);
  if (first !== undefined && other === undefined) return first.local;
  throw refused(
    path,
    other?.line ?? 1,
    `${other?.name} ${other?.version} is of another backend than torch ${first?.version}`,
    'lock the three from one index, e.g. --index-url https://download.pytorch.org/whl/cu124',
  );
}
