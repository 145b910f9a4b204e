/** From each state where it goes while all is well, and at a loss (container.md §3). */
const NEXT = {
  INIT: ['RESOLVE'],
  // Settings and secrets become one credential.
  RESOLVE: ['PREFLIGHT'],
  // What ComfyUI needs is looked for: Python, login node, port, disk.
  PREFLIGHT: ['CACHE'],
  // PyTorch is there, or is made to be. An open server has no credential to provision.
  CACHE: ['PROVISION', 'SPAWN'],
  // PASSWORD and the session key are written.
  PROVISION: ['SPAWN'],
  SPAWN: ['STARTING'],
  // The child lives, and is asked until it answers. READY only where an open server is meant.
  STARTING: ['VERIFY', 'READY', 'RESTARTING'],
  VERIFY: ['STARTING', 'READY', 'RESTARTING'],
  READY: ['DEGRADED', 'RELOADING', 'DRAINING', 'RESTARTING'],
  DEGRADED: ['READY', 'RELOADING', 'DRAINING', 'RESTARTING'],
  // The credential is read anew; without the guard ComfyUI takes another one only by a restart.
  RELOADING: ['READY', 'DEGRADED', 'DRAINING', 'RESTARTING'],
  // Nothing new is let in; what ComfyUI is at may come to its end.
  DRAINING: [],
  STOPPING: ['RESTARTING'],
  // All from RESOLVE on is done again: what was proven before says nothing of the next child.
  RESTARTING: ['RESOLVE'],
  EXIT: [],
} as const satisfies Record<string, readonly string[]>;

export type State = keyof typeof NEXT;

/** From everywhere: a stop, a broken contract, an error. */
const ALWAYS: readonly State[] = ['STOPPING', 'EXIT'];

/** Whether the container may go from one state to another; to stay in one is no change. */
export const mayFollow = (from: State, to: State): boolean =>
  from === to || (NEXT[from] as readonly State[]).includes(to) || (from !== 'EXIT' && ALWAYS.includes(to));
