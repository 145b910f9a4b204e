import type { ReaderName, ReaderSpec } from '../../model/layout.ts';
import { composeReaders } from './compose.ts';
import { earlyComposeReaders } from './compose-early.ts';
import { composeV1Readers } from './compose-v1.ts';
import { dockerRunReaders } from './docker-run.ts';
import { dotenvReaders } from './dotenv.ts';
import { kubectlReaders } from './kubectl.ts';
import { nodeReaders } from './node.ts';
import { posixReaders } from './posix.ts';
import { pythonDotenvReaders } from './python-dotenv.ts';
import type { EnvReader } from './reader.ts';
import { systemdReaders } from './systemd.ts';

export { BOM, type EnvReader, type ReadFault, type ReadOutcome, type ReadValue } from './reader.ts';

/** Every model, by name; within a name the newest version first. */
const READERS: Record<ReaderName, readonly EnvReader[]> = {
  compose: [...composeReaders, ...earlyComposeReaders],
  'compose-v1': composeV1Readers,
  'docker-run': dockerRunReaders,
  dotenv: dotenvReaders,
  'python-dotenv': pythonDotenvReaders,
  posix: posixReaders,
  systemd: systemdReaders,
  node: nodeReaders,
  kubectl: kubectlReaders,
};

/** All versions of a reader that a spec covers, newest first. */
export function readersFor(spec: ReaderSpec): EnvReader[] {
  const versions = READERS[spec.name];
  if (spec.since === undefined) return [...versions];
  const since = spec.since;
  // A version reaches up to the next newer one: those that end at or before `since` are left out.
  return versions.filter((_, at) => at === 0 || compareVersions(versions[at - 1]?.from ?? '0', since) > 0);
}

function compareVersions(a: string, b: string): number {
  const left = a.split('.').map(Number);
  const right = b.split('.').map(Number);
  for (let at = 0; at < Math.max(left.length, right.length); at += 1) {
    const difference = (left[at] ?? 0) - (right[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
