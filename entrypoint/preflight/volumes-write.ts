import { runPython } from '../python.ts';
import { nearestFolder } from './access.ts';
import { fail, type PreflightCheck, pass, unknown } from './check.ts';
import { comfyUiFolders } from './folders.ts';

const TIMEOUT_MS = 60_000;

/** Writes a block into a file without a name in each folder: nothing stays behind, even where it is killed. */
const SCRIPT = `
import errno, json, os, sys, tempfile
found = {"preflight": 1, "failed": {}}
for path in sys.argv[1:]:
    try:
        with tempfile.TemporaryFile(dir=path) as file:
            file.write(b"x" * 65536)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        found["failed"][path] = errno.errorcode.get(error.errno, "error")
print("\\n" + json.dumps(found), flush=True)
`;

const ROOM = 'free some space there, or mount a larger volume';
/** By the first errno; where there is none, the user may not write there. */
const REMEDIES: Readonly<Record<string, string>> = {
  EROFS: 'mount it writable, without `:ro`',
  ENOSPC: ROOM,
  EDQUOT: ROOM,
  EIO: 'look at that disk, it fails',
};

/** ComfyUI's user really writes into the folders: access lists, quotas and full disks show only so. */
export const volumesWrite: PreflightCheck = {
  id: 'volumes-write',
  severity: 'warning',
  boundMs: TIMEOUT_MS + 10_000,
  async run(world) {
    const { python, signal, owner } = world;
    const { output, input, temp, user } = comfyUiFolders(world);
    const folders = [...new Set([output, input, temp, user].map(nearestFolder))];
    const result = await runPython({ ...python, signal }, ['-c', SCRIPT, ...folders], TIMEOUT_MS);
    const failed = failures(result.stdout);
    if (failed === undefined) return unknown('that Python gave no answer');
    const list = Object.entries(failed).map(([path, errno]) => `${path} (${errno})`);
    const errno = Object.values(failed)[0];
    if (errno === undefined) return pass(`user ${owner.uid} wrote into ${folders.join(', ')}`);
    return fail(
      `user ${owner.uid} could not write into ${list.join(', ')}`,
      REMEDIES[errno] ?? `chown -R ${owner.uid}:${owner.gid} the folder that is mounted there`,
    );
  },
};

function failures(stdout: string): Record<string, string> | undefined {
  const line = stdout.split('\n').findLast((text) => text.startsWith('{"preflight": 1,'));
  try {
    return line === undefined ? undefined : (JSON.parse(line) as { failed: Record<string, string> }).failed;
  } catch {
    return undefined;
  }
}
