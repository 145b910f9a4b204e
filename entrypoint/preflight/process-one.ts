import { basename } from 'node:path';
import { fail, type Outcome, type PreflightCheck, type PreflightWorld, pass, unknown } from './check.ts';
import { systemFile } from './system-file.ts';

/** Node as process 1 reaps no orphans: what custom nodes leave behind stays as zombies (container.md §2). */
export const processOne: PreflightCheck = {
  id: 'pid1',
  severity: 'warning',
  run(world): Outcome {
    const name = programOne(world);
    if (world.pid === 1 || name === 'node' || name === 'nodejs') {
      return fail(
        'Node is process 1: ended processes that nobody waits for stay as zombies',
        'start it with ENTRYPOINT ["tini", "-s", "--", "node", …], with `docker run --init`, or `init: true` in the compose file',
      );
    }
    if (name === undefined) return unknown('/proc/1/cmdline cannot be read');
    return pass(`process 1 is ${name}`);
  },
};

function programOne(world: PreflightWorld): string | undefined {
  const [program = ''] = systemFile(world, 'proc/1/cmdline')?.split('\0') ?? [];
  return program === '' ? undefined : basename(program);
}
