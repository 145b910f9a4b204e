import type { ProcessResult } from '../../src/platform/process.ts';
import { ContainerExit, type ContainerExitCode, Refusal } from '../exit.ts';
import type { Installer, Source } from './installer.ts';
import type { TorchPorts } from './ports.ts';
import { unusable } from './refusals.ts';

interface Diagnosis {
  /** What the installer says in such a case; a group names the package. */
  pattern: RegExp;
  code: string;
  exit?: ContainerExitCode;
  message(installer: string, named: string): string;
  remedy(source: Source): string;
}

const where = (source: Source) =>
  source.tier === 'T2' ? `the wheelhouse ${source.wheelhouse}` : 'the index';

const DIAGNOSES: readonly Diagnosis[] = [
  {
    pattern:
      /(?:DO NOT MATCH THE HASHES[\s\S]*?^\s+(\S+==\S+|\S+) from|[Hh]ash mismatch for `([^`]+)`|no matching hash|but no hashes were found)/m,
    code: 'wheel-hash',
    message: (_installer, named) => `the wheel of ${named} is not the one that the lock names by its hash`,
    remedy: (source) =>
      `replace that wheel in ${where(source)}, or write the lock again from wheels that you trust`,
  },
  {
    pattern: /No module named pip/,
    code: 'pip-missing',
    message: () => 'ComfyUI’s Python has no pip',
    remedy: () => 'run `python -m ensurepip` in it, or put uv on PATH',
  },
  {
    pattern:
      /Max retries exceeded|ConnectionError|Read timed out|NewConnectionError|error sending request|Failed to fetch/,
    code: 'index-unreachable',
    exit: ContainerExit.io,
    message: (installer) => `the index stopped answering while ${installer} fetched from it`,
    remedy: () => 'start again when the network is back, or mount the wheels as TORCH_WHEELHOUSE',
  },
  {
    pattern:
      /No matching distribution found for (\S+)|there (?:is|are) no (?:version|wheels?) (?:of|with) `?([^\s`]+)|Because ([^\s`]+)/,
    code: 'wheel-missing',
    message: (installer, named) => `${installer} finds no wheel of ${named} that this Python can use`,
    remedy: (source) => `put the wheel that the lock names into ${where(source)}`,
  },
];

/** Why an installer, or Python after it, failed, as one line with one remedy. */
export function installFailure(
  name: Installer['name'] | 'Python',
  { stdout, stderr, code, failure }: ProcessResult,
  source: Source,
  { settings, owner }: Pick<TorchPorts, 'settings' | 'owner'>,
): Refusal {
  const said = `${stdout}\n${stderr}`;
  const errno =
    (/No space left on device|os error 28\b/.test(said) && 'ENOSPC') ||
    (/Disk quota exceeded|os error 122\b/.test(said) && 'EDQUOT') ||
    (/Read-only file system|os error 30\b/.test(said) && 'EROFS');
  if (errno) {
    return unusable(
      { code: 'torch-cache-not-writable', path: settings.cacheDir, what: 'TORCH_CACHE', owner },
      errno,
    );
  }
  for (const { pattern, ...diagnosis } of DIAGNOSES) {
    const match = pattern.exec(said);
    if (match === null) continue;
    const named = match.slice(1).find((group) => group !== undefined) ?? 'a package';
    return new Refusal({
      code: diagnosis.code,
      ...(diagnosis.exit !== undefined && { exit: diagnosis.exit }),
      message: diagnosis.message(name, named),
      remedy: diagnosis.remedy(source),
    });
  }
  const last =
    said
      .trim()
      .split('\n')
      .findLast((line) => /error/i.test(line)) ?? '';
  return new Refusal({
    code: 'torch-install-failed',
    exit: ContainerExit.io,
    message: `${name} failed (${failure ?? `exit ${code}`}) ${last.trim()}`.trim(),
    remedy:
      failure === 'SIGKILL'
        ? 'it was killed, as happens without memory: give the container more'
        : 'run `torch-cache build` again; where it fails alike, look at what it says',
  });
}
