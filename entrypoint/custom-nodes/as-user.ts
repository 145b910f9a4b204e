import type { Owner } from '../../src/model/layout.ts';
import { attempt } from '../../src/store/system-call.ts';
import { ignoring } from '../../src/store/write-new.ts';

/**
 * Does something with another user's rights and no more: whoever owns a folder can put links there while root works
 * in it. Only root can choose; anybody else does it as they are. Synchronous, since the whole process changes its
 * user meanwhile. Throws a `Failure` where the system does not let us become that user.
 */
export function asUser<T>({ uid, gid }: Owner, folder: string, work: () => T): T {
  if (process.geteuid?.() !== 0 || uid === 0) return work();
  const [groups, ownGid] = [process.getgroups?.() ?? [], process.getegid?.() ?? 0];
  // Forbidden in some user namespaces, which give root no rights beyond theirs; so does Node where it starts a program.
  ignoring(() => process.setgroups?.([gid]));
  try {
    attempt(`work as the user ${uid}:${gid}`, folder, () => {
      process.setegid?.(gid);
      process.seteuid?.(uid);
    });
    return work();
  } finally {
    process.seteuid?.(0);
    process.setegid?.(ownGid);
    ignoring(() => process.setgroups?.(groups));
  }
}
