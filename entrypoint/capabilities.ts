import { readFileSync } from 'node:fs';
import type { Owner } from '../src/model/layout.ts';
import { ContainerExit, Refusal } from './exit.ts';

/** What it takes to start a process as another user, and to end it again; bits as in linux/capability.h. */
const NEEDED = { KILL: 5n, SETGID: 6n, SETUID: 7n };

/**
 * Throws a `Refusal` (77) where root lacks what it takes to run ComfyUI as that user: without KILL an open server could
 * not even be ended. Where the kernel does not tell, nothing is known to be missing.
 */
export function checkCapabilities(user: Owner, status = ownStatus()): void {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1];
  if (effective === undefined) return;
  const has = BigInt(`0x${effective}`);
  const missing = Object.entries(NEEDED).filter(([, bit]) => ((has >> bit) & 1n) === 0n);
  if (missing.length === 0) return;
  const names = missing.map(([name]) => name).join(', ');
  throw new Refusal({
    code: 'capability-missing',
    exit: ContainerExit.permission,
    message: `root here lacks the capabilities ${names}: ComfyUI could not be run as the user ${user.uid}, and ended again`,
    remedy: `add them (cap_add: [${names}]), or start the container as that user (user: "${user.uid}:${user.gid}") without COMFYUI_UID`,
  });
}

function ownStatus(): string {
  try {
    return readFileSync('/proc/self/status', 'latin1');
  } catch {
    return '';
  }
}
